"""Blocking database work beside an event loop."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Final, TypeVar

from django.db import Error as DatabaseFailure
from django.db import connections

from personalq.lib.database_guards import is_outage

logger = logging.getLogger(__name__)
T = TypeVar("T")
PAUSE_SECONDS: Final = 0.5


class DatabaseThreads:
    """A few threads; each call borrows a connection and gives it back, so waiting work holds none."""

    def __init__(self, size: int) -> None:
        """Take the number of calls that may be under way at once."""
        self._pool = ThreadPoolExecutor(size, thread_name_prefix="database")

    async def run(self, work: Callable[..., T], /, **arguments: object) -> T:
        """Call `work` in a thread, for the request that this code serves."""
        loop, context = asyncio.get_running_loop(), copy_context()
        return await loop.run_in_executor(self._pool, partial(context.run, _call, work, arguments))

    async def persist(self, work: Callable[..., T], /, **arguments: object) -> T:
        """Like `run`, but while the database is away it tries again until the caller is cancelled.

        `work` must be safe to repeat: the connection may have gone after the commit.
        """
        while True:
            try:
                return await self.run(work, **arguments)
            except DatabaseFailure as error:
                if not is_outage(error):
                    raise
                logger.warning("The database is away; trying again.")
                await asyncio.sleep(PAUSE_SECONDS)

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)


def _call(work: Callable[..., T], arguments: dict[str, object]) -> T:
    try:
        return work(**arguments)
    finally:
        connections.close_all()
