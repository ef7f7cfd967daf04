"""Threads of a worker process that speak for bots, so that a Telegram that hangs holds up nothing but itself."""

import logging
import os
import threading
from collections import deque
from typing import Final

from django.db import connections

from webhooks.telegram import sending

MOST_THREADS: Final = 8

_logger = logging.getLogger(__name__)


class Speakers:
    """Takes bots from any thread and speaks for each in the background, for one and the same one at a time."""

    def __init__(self) -> None:
        self._waiting: deque[int] = deque()
        self._busy: set[int] = set()
        self._changed = threading.Condition()
        self._threads = 0
        self._process = 0

    def take(self, bot_id: int) -> None:
        """Speak for a bot soon; never blocks. Whoever waits already is not taken twice."""
        with self._changed:
            # A forked child inherits this object, but not its threads.
            if self._process != os.getpid():
                self._process, self._threads, self._busy = os.getpid(), 0, set()
                self._waiting.clear()
            if bot_id not in self._waiting:
                self._waiting.append(bot_id)
            if self._threads < min(MOST_THREADS, len(self._waiting) + len(self._busy)):
                self._threads += 1
                threading.Thread(target=self._speak_for_ever, name="speaker", daemon=True).start()
            self._changed.notify()

    def wait_until_silent(self, seconds: float) -> bool:
        """Wait until nobody is waiting or speaking, at most this long; tells whether that was so."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._busy, seconds)

    def _speak_for_ever(self) -> None:
        while True:
            bot_id = self._next()
            try:
                sending.speak(bot_id)
            except Exception:
                # The sweep comes back to it.
                _logger.exception("Speaking for a bot broke off.")
            finally:
                connections.close_all()
                with self._changed:
                    self._busy.discard(bot_id)
                    self._changed.notify_all()

    def _next(self) -> int:
        with self._changed:
            self._changed.wait_for(lambda: any(bot_id not in self._busy for bot_id in self._waiting))
            bot_id = next(bot_id for bot_id in self._waiting if bot_id not in self._busy)
            self._waiting.remove(bot_id)
            self._busy.add(bot_id)
            return bot_id


speakers: Final = Speakers()
