"""How long to wait before something that went wrong is tried again."""

import random
from datetime import timedelta
from typing import Final

FIRST_PAUSE_SECONDS: Final = 5.0
LONGEST_PAUSE_SECONDS: Final = 900.0


def pause_after(failures: int) -> timedelta:
    """How long to wait after so many failures in a row and one more: doubled each time, never all at once."""
    whole = min(FIRST_PAUSE_SECONDS * 2 ** min(failures, 20), LONGEST_PAUSE_SECONDS)
    return timedelta(seconds=whole * random.uniform(0.75, 1.25))  # noqa: S311 - spreads load, guards nothing
