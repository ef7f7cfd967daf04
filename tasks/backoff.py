"""How long to wait before trying again: exponential with equal jitter and a cap.

Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
"""

import random
from datetime import timedelta
from typing import Final

BASE_SECONDS: Final = 2.0
CAP_SECONDS: Final = 300.0


def delay(attempts: int, *, base: float = BASE_SECONDS, cap: float = CAP_SECONDS) -> timedelta:
    """The wait after `attempts` (1 or more) tries that counted; `base` and `cap` are seconds."""
    longest = min(cap, base * 2 ** min(attempts - 1, 30))
    return timedelta(seconds=random.uniform(longest / 2, longest))  # noqa: S311 - spreads load, guards nothing
