"""How fast a client may speak."""

import time
from collections.abc import Callable


class TokenBucket:
    """Lets through `rate` takes a second on average, and `burst` at once after a pause."""

    def __init__(self, *, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._level = float(burst)
        self._looked_at = clock()

    def take(self) -> bool:
        """Use one up; False when there is none."""
        now = self._clock()
        self._level = min(self._burst, self._level + (now - self._looked_at) * self._rate)
        self._looked_at = now
        if self._level < 1:
            return False
        self._level -= 1
        return True
