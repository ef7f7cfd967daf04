"""How long to wait before trying again: exponential with full jitter and a cap.

Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
"""

import random
from datetime import timedelta
from typing import Final

BASE_SECONDS: Final = 2.0
CAP_SECONDS: Final = 300.0


def delay(attempts: int) -> timedelta:
    """The wait after `attempts` (1 or more) tries that counted."""
    longest = min(CAP_SECONDS, BASE_SECONDS * 2 ** min(attempts, 16))
    return timedelta(seconds=random.uniform(longest / 2, longest))  # noqa: S311 - spreads load, guards nothing
