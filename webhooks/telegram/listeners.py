"""Threads of a worker process that listen to recordings, so that nobody's tasks wait for a minute of speech."""

import logging
import threading
from typing import Final

from django.db import connections

from webhooks.telegram import recordings

MOST_THREADS: Final = 4
"""Each holds one recording of up to 20 MB in memory."""

_logger = logging.getLogger(__name__)


class Listeners:
    """A few threads, each of which ends when nothing is left to listen to."""

    def __init__(self) -> None:
        self._free = threading.BoundedSemaphore(MOST_THREADS)

    def wake(self) -> None:
        """Let one more listen, unless enough do; never blocks. What is missed the sweep finds."""
        if self._free.acquire(blocking=False):
            threading.Thread(target=self._listen, name="listener", daemon=True).start()

    def _listen(self) -> None:
        try:
            while recordings.hear_next():
                pass
        except Exception:
            # The lease runs out, and the sweep comes back to it.
            _logger.exception("Listening to a recording broke off.")
        finally:
            connections.close_all()
            self._free.release()


listeners: Final = Listeners()
