"""Work that goes on for ever, also while the database or Redis is away."""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from django.db import Error as DatabaseError
from redis.exceptions import RedisError

# What a server that is away looks like. Everything else is a mistake of ours and logged with its traceback.
AWAY: Final = (DatabaseError, RedisError, OSError)


class Outage:
    """Something that may be away for a while: only the changes are logged."""

    def __init__(self, logger: logging.Logger, what: str) -> None:
        self._logger = logger
        self._what = what
        self.is_on = False

    def began(self, error: Exception) -> None:
        """Note an error; its text stays out of the log, where drivers name addresses and statements."""
        if not isinstance(error, AWAY):
            self._logger.error("%s met an error of ours.", self._what, exc_info=error)
        elif not self.is_on:
            self._logger.warning("%s is away (%s); trying until it is back.", self._what, type(error).__name__)
        self.is_on = True

    def ended(self) -> None:
        if self.is_on:
            self._logger.warning("%s is back.", self._what)
        self.is_on = False


async def repeat(step: Callable[[], Awaitable[None]], pause: Callable[[], Awaitable[None]], outage: Outage) -> None:
    """Do `step` and `pause` in turn until cancelled, whatever `step` meets."""
    while True:
        try:
            await step()
        except Exception as error:  # noqa: BLE001 - a boundary: what stops here would stop for all sockets
            outage.began(error)
        else:
            outage.ended()
        await pause()
