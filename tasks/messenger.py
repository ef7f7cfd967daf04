"""Sending hints to the workers from a thread of its own, so that no request ever waits for the broker.

Equal hints that wait are sent once. A hint that cannot be sent is dropped: the sweep and the workers' own watch make
up for it within seconds.
"""

import atexit
import logging
import os
import threading
from collections.abc import Callable
from typing import Final, NamedTuple

logger = logging.getLogger(__name__)
MOST_WAITING: Final = 10_000
LAST_WORDS_SECONDS: Final = 2.0


class Hint(NamedTuple):
    """One message: how urgent (lower goes first), what sends it, and with which numbers."""

    urgency: int
    send: Callable[..., None]
    numbers: tuple[int, ...]


class Messenger:
    """Takes hints from any thread and sends them in the background, urgent ones first."""

    def __init__(self) -> None:
        self._waiting: set[Hint] = set()
        self._changed = threading.Condition()
        self._is_sending = False
        self._is_outage = False
        self._process = 0

    def post(self, hint: Hint) -> None:
        """Take a hint; never blocks and never fails."""
        with self._changed:
            if len(self._waiting) < MOST_WAITING:
                self._waiting.add(hint)
            self._ensure_thread()
            self._changed.notify_all()

    def wait_until_sent(self, seconds: float) -> bool:
        """Wait until nothing is left to send, at most this long; tells whether that was so."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._is_sending, seconds)

    def _ensure_thread(self) -> None:
        # A forked child inherits this object, but not the thread.
        if self._process != os.getpid():
            self._process = os.getpid()
            threading.Thread(target=self._send_for_ever, name="messenger", daemon=True).start()
            atexit.register(self.wait_until_sent, LAST_WORDS_SECONDS)

    def _send_for_ever(self) -> None:
        while True:
            hint = self._next()
            try:
                hint.send(*hint.numbers)
            except Exception as error:  # noqa: BLE001 - whatever the broker's client throws, go on
                self._note_outage(error)
            else:
                self._is_outage = False
            finally:
                with self._changed:
                    self._is_sending = False
                    self._changed.notify_all()

    def _next(self) -> Hint:
        with self._changed:
            self._changed.wait_for(lambda: bool(self._waiting))
            hint = min(self._waiting, key=lambda one: one.urgency)
            self._waiting.remove(hint)
            self._is_sending = True
            return hint

    def _note_outage(self, error: Exception) -> None:
        with self._changed:
            self._waiting.clear()
        if not self._is_outage:
            logger.warning("The broker does not take messages; the sweep makes up for them.", exc_info=error)
        self._is_outage = True


messenger: Final = Messenger()
