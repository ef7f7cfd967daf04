"""Cron expressions of five fields, or six that begin with seconds, read by cronsim.

cronsim looks for matches on a clock that never changes; what follows where clocks do change is decided here, alike for
five and six fields.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from personalq.lib.errors import InvalidInput
from tasks.timing import zones

LONGEST: Final = 200
_FIELD_COUNTS: Final = (5, 6)
_PRINTABLE: Final = re.compile(r"[ -~]+")
_SECOND: Final = timedelta(seconds=1)
_ANY_MOMENT: Final = datetime(2000, 1, 1)  # noqa: DTZ001 - on a clock without a zone
_ALLOWED: Final = {
    "second": "0 to 59",
    "minute": "0 to 59",
    "hour": "0 to 23",
    "day of month": "1 to 31, L for the last day or LW for the last weekday",
    "month": "1 to 12 or JAN to DEC",
    "day of week": "0 to 7 (0 and 7 are Sunday) or SUN to SAT, with L or #1 to #5 behind it",
}
_COUNTED: Final = "five fields (minute, hour, day of month, month, day of week), or six that begin with seconds"


@dataclass(frozen=True, kw_only=True)
class Cron:
    """Due whenever the zone's clocks show what the expression names, not before `starts_at`."""

    expression: str
    zone: ZoneInfo
    starts_at: datetime

    @classmethod
    def read(cls, text: str, *, zone: ZoneInfo, starts_at: datetime) -> "Cron":
        """Raises InvalidInput `bad_cron` that says which field is wrong and what it may hold."""
        return cls(expression=normalized(text), zone=zone, starts_at=starts_at.astimezone(UTC))

    @property
    def names_times_of_day(self) -> bool:
        """Whether hour and minute are named, so that it is due at times of day rather than again and again."""
        minute, hour = self.expression.split()[-5:-3]
        return not (minute.startswith("*") or hour.startswith("*"))

    def times(self, after: datetime) -> Iterator[datetime]:
        """When it is due after a moment, in order."""
        moment = max(after.astimezone(UTC), self.starts_at - timedelta(microseconds=1))
        # Times of day that a gap swallows come together at its end; that is one time.
        for time in self._once_each_day(moment) if self.names_times_of_day else self._by_elapsed_time(moment):
            if time > moment:
                yield time
                moment = time

    def _once_each_day(self, moment: datetime) -> Iterator[datetime]:
        """A time that is skipped comes at the end of the gap, one that is repeated only the first time."""
        matches = _matches(self.expression, zones.latest_wall_time(self.zone, moment))
        match = next(matches, None)
        for stretch in zones.stretches(self.zone, moment):
            while match is not None and match < _wall(stretch.ends_at, stretch.offset):
                yield max(_instant(match, stretch.offset), stretch.starts_at)
                match = next(matches, None)
            if match is None:
                return

    def _by_elapsed_time(self, moment: datetime) -> Iterator[datetime]:
        """What clocks show at each moment counts: nothing in a skipped hour, both times in a repeated one."""
        searched, match = _wall(moment, timedelta(0)), None
        for stretch in zones.stretches(self.zone, moment):
            begin = _wall(max(moment, stretch.starts_at - _SECOND), stretch.offset)
            # One that comes after years is looked for once and not again for each stretch up to it.
            if match is None or not searched <= begin < match:
                searched, matches = begin, _matches(self.expression, begin)
                match = next(matches, None)
            if match is None:
                return
            while match is not None and match < _wall(stretch.ends_at, stretch.offset):
                yield _instant(match, stretch.offset)
                searched, match = match, next(matches, None)


def normalized(text: str) -> str:
    """The expression with single spaces and capital letters. Raises InvalidInput `bad_cron`."""
    if len(text) > LONGEST:
        raise _bad(f"Use at most {LONGEST} characters.")
    if not _PRINTABLE.fullmatch(text) or not text.strip():
        raise _bad(f"Use digits, letters and * , - / # with spaces between {_COUNTED}.")
    fields = text.upper().split()
    if len(fields) not in _FIELD_COUNTS:
        raise _bad(f"The number of fields is {len(fields)}. Use {_COUNTED}.")
    expression = " ".join(fields)
    _check(expression)
    return expression


def _check(expression: str) -> None:
    """Raises InvalidInput `bad_cron` for fields that mean nothing, and days that do not exist."""
    # Each field alone first: together with the others, cronsim calls 30 February a bad day of the month.
    for place, (name, value) in enumerate(zip(_ALLOWED, ["0", *expression.split()][-6:], strict=True)):
        alone = ["*"] * 6
        alone[place] = value
        try:
            CronSim(" ".join(alone), _ANY_MOMENT)
        except CronSimError:
            raise _bad(
                f"The {name} is not understood. Use {_ALLOWED[name]}; * for all, lists 1,3, ranges 1-5, steps */2."
            ) from None
    if next(_matches(expression, _ANY_MOMENT), None) is None:
        raise _bad("It never comes: no such day is in any of these months. Choose another day or month.")


def _matches(expression: str, after: datetime) -> Iterator[datetime]:
    """When a clock without changes shows the expression after a time. It ends when there is none within 50 years."""
    try:
        yield from CronSim(expression, after)
    except (CronSimError, OverflowError):
        # cronsim refuses some days that never come, and cannot go beyond the year 9999.
        return


def _wall(moment: datetime, offset: timedelta) -> datetime:
    return moment.replace(tzinfo=None) + offset


def _instant(wall: datetime, offset: timedelta) -> datetime:
    return (wall - offset).replace(tzinfo=UTC)


def _bad(message: str) -> InvalidInput:
    return InvalidInput.for_field("cron", "bad_cron", message)
