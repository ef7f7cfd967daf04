"""Saying once that something is away and once that it is back."""

import logging


class Outage:
    """A dependency that may be away for a while; only the changes are logged."""

    def __init__(self, logger: logging.Logger, what: str) -> None:
        self._logger = logger
        self._what = what
        self.is_on = False

    def began(self, error: BaseException) -> None:
        """Its text stays out of the log: messages of drivers may hold addresses and statements."""
        if not self.is_on:
            self.is_on = True
            self._logger.warning("%s is away (%s); trying again until it is back.", self._what, type(error).__name__)

    def ended(self) -> None:
        if self.is_on:
            self.is_on = False
            self._logger.warning("%s is back.", self._what)
