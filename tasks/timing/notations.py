"""How people write intervals."""

import re
from typing import Final

_EVERY: Final = re.compile(r"every (?:(\d{1,9}) )?(second|minute|hour|day)s?", re.IGNORECASE | re.ASCII)
_SECONDS: Final = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}


def interval_in(text: str) -> int | None:
    """The seconds of an interval such as "every 30 seconds", "every 5 minutes" or "every hour"; None for other text."""
    found = _EVERY.fullmatch(text.strip(" "))
    return None if found is None else int(found[1] or 1) * _SECONDS[found[2].lower()]
