"""Where this process was started from, and whether that is still there."""

from __future__ import annotations

import os
import signal
import termios


class Origin:
    """Notices the two ends that come without a signal.

    `make` killed by force cannot take us along, and as the leader of a session whose
    terminal closes it keeps the hang-up to itself and waits for us.
    """

    def __init__(self) -> None:
        self._make = os.getppid() if "MAKELEVEL" in os.environ else None
        self._terminal = None if is_nohup() else _find_terminal()

    def explain_end(self) -> str | None:
        """What is gone, or None while all is there."""
        if self._make not in {None, os.getppid()}:
            return "make is gone"
        if self._terminal is not None and _has_hung_up(self._terminal):
            return "the terminal is gone"
        return None


def is_nohup() -> bool:
    """Whether somebody asked us to survive a closed terminal."""
    return signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def _find_terminal() -> int | None:
    """A descriptor of our own for it: those of the streams may be turned to nowhere."""
    return next((os.dup(descriptor) for descriptor in range(3) if os.isatty(descriptor)), None)


def _has_hung_up(terminal: int) -> bool:
    try:
        termios.tcgetattr(terminal)
    except (OSError, termios.error):
        return True
    return False
