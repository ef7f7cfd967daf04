"""Schedules as the older service wrote them: cron, `every 30 seconds`, `{"every": 30000}`."""

import re
from collections.abc import Mapping
from typing import Any, Final, TypedDict

from personalq.lib.errors import InvalidInput
from tasks.models import Timing
from tasks.models.schedule import LONGEST_INTERVAL_SECONDS

FIELD: Final = "schedule"
FORMS: Final = 'a cron expression of 5 or 6 fields such as "*/5 * * * *", "every 30 seconds", or {"every": 30000}'
_SECONDS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
_INTERVAL: Final = re.compile(r"every (?:([0-9]{1,8}) )?(second|minute|hour|day)s?", re.IGNORECASE)


class When(TypedDict):
    """What `tasks.schedules` takes."""

    timing: str
    cron: str
    every_seconds: int | None


def read_schedule(given: object) -> When:
    """What decides when it is due. Raises InvalidInput that names `schedule`; the fields of cron are read later."""
    if isinstance(given, Mapping):
        return _every(_whole_seconds(given))
    if not isinstance(given, str):
        raise _wrong("invalid", f"Send {FORMS}.")
    interval = _INTERVAL.fullmatch(given)
    if interval is not None:
        return _every(int(interval[1] or 1) * _SECONDS[interval[2].lower()])
    if given.lower().startswith("every"):
        raise _wrong("interval", "Write an interval as every 30 seconds, or every 5 minutes, hours or days.")
    return When(timing=Timing.CRON, cron=given, every_seconds=None)


def _whole_seconds(given: Mapping[Any, Any]) -> int:
    milliseconds = given.get("every")
    if set(given) != {"every"} or type(milliseconds) is not int:
        raise _wrong("invalid", f"Send {FORMS}.")
    if milliseconds % 1000:
        raise _wrong("interval", "Send whole seconds in milliseconds, such as 30000: nothing is due more often.")
    return milliseconds // 1000


def _every(seconds: int) -> When:
    if not 1 <= seconds <= LONGEST_INTERVAL_SECONDS:
        raise _wrong("interval", f"Use an interval from 1 to {LONGEST_INTERVAL_SECONDS} seconds.")
    return When(timing=Timing.INTERVAL, cron="", every_seconds=seconds)


def _wrong(code: str, message: str) -> InvalidInput:
    return InvalidInput.for_field(FIELD, code, message)
