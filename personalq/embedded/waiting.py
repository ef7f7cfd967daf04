"""Waiting for a condition, and being interrupted by signals while doing so."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable
from types import FrameType

from personalq.embedded.errors import StopRequested
from personalq.embedded.origin import is_nohup

Pause = Callable[[float], None]
POLL_SECONDS = 0.02


def wait_until(condition: Callable[[], bool], seconds: float, pause: Pause = time.sleep) -> bool:
    """Poll `condition` for at most `seconds`. Returns whether it became true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        pause(POLL_SECONDS)
    return True


class StopSignals:
    """Turns SIGINT, SIGTERM and SIGHUP into a request that waits notice at once.

    Handlers only note the request: an exception thrown from a handler could hit
    between starting a child and writing it down.
    """

    def __init__(self) -> None:
        self.request: str | None = None
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._reading, False)
        os.set_blocking(self._writing, False)

    def install(self) -> None:
        signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        if not is_nohup():
            signal.signal(signal.SIGHUP, self._note)
        # A shell starts background jobs with SIGINT ignored; being asked is being asked.
        signal.signal(signal.SIGINT, self._note)
        signal.signal(signal.SIGTERM, self._note)
        signal.signal(signal.SIGCHLD, self._wake)

    def ask(self, reason: str) -> None:
        self.request = self.request or reason

    def sleep(self, seconds: float) -> None:
        """Sleep until `seconds` have passed or any signal arrived."""
        select.select([self._reading], [], [], seconds)
        with contextlib.suppress(BlockingIOError):
            os.read(self._reading, 512)

    def pause(self, seconds: float) -> None:
        """Like sleep. Raises: StopRequested once somebody asked to stop."""
        if self.request is None:
            self.sleep(seconds)
        if self.request is not None:
            raise StopRequested(self.request)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.ask(signal.Signals(number).name)

    def _wake(self, _number: int, _frame: FrameType | None) -> None:
        """Python only writes to the wake-up pipe for signals that have a handler."""
