"""A second reading of cron by walking: slow, plain, and sharing nothing with the product.

It looks at every minute (or second) of real time, asks what the zone's clocks show, and keeps what matches.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

RANGES = [(0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 7)]


def walk(expression: str, zone: ZoneInfo, after: datetime, up_to: datetime) -> list[datetime]:
    """The times after a moment up to another one, both on full minutes."""
    fields = expression.split()
    step = timedelta(seconds=1) if len(fields) == 6 else timedelta(minutes=1)
    minute, hour = fields[-5], fields[-4]
    is_by_clock = minute.startswith("*") or hour.startswith("*")
    return list((_as_shown if is_by_clock else _as_passed)(expression, zone, after, up_to, step))


def _as_shown(expression: str, zone: ZoneInfo, after: datetime, up_to: datetime, step: timedelta) -> Iterator[datetime]:
    """Whenever clocks show a time that matches."""
    moment = after + step
    while moment <= up_to:
        if matches(expression, _shown(moment, zone)):
            yield moment
        moment += step


def _as_passed(
    expression: str, zone: ZoneInfo, after: datetime, up_to: datetime, step: timedelta
) -> Iterator[datetime]:
    """When clocks reach or pass a time that matches and that they have not shown before."""
    moment = after - timedelta(hours=26)
    passed = _shown(moment, zone)
    while moment < up_to:
        moment += step
        is_due = False
        while passed < _shown(moment, zone):
            passed += step
            is_due = is_due or matches(expression, passed)
        if is_due and moment > after:
            yield moment


def matches(expression: str, shown: datetime) -> bool:
    second, minute, hour, _, month, _ = _sets(expression)
    return (
        shown.second in second
        and shown.minute in minute
        and shown.hour in hour
        and shown.month in month
        and _is_day(expression, shown.date())
    )


@lru_cache(maxsize=65_536)
def _is_day(expression: str, day: date) -> bool:
    *_, day_field, _month, weekday_field = expression.split()
    *_, days, _months, weekdays = _sets(expression)
    tomorrow = day + timedelta(days=1)
    is_day = day.day in days or ("L" in day_field and tomorrow.month != day.month)
    is_weekday = day.isoweekday() in weekdays or day.isoweekday() % 7 in weekdays
    has_star = day_field.startswith("*") or weekday_field.startswith("*")
    return (is_day and is_weekday) if has_star else (is_day or is_weekday)


@lru_cache(maxsize=1024)
def _sets(expression: str) -> list[frozenset[int]]:
    fields = expression.split()
    if len(fields) == 5:
        fields = ["0", *fields]
    return [_numbers(field, *limits) for field, limits in zip(fields, RANGES, strict=True)]


def _numbers(field: str, low: int, high: int) -> frozenset[int]:
    found: set[int] = set()
    for part in field.split(","):
        if part == "L":
            continue
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        if span == "*":
            begin, end = low, high
        else:
            begin = int(first)
            end = int(last) if last else (high if step else begin)
        found.update(range(begin, end + 1, int(step or 1)))
    return frozenset(found)


@lru_cache(maxsize=262_144)
def _shown(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def clock_changes(zone: ZoneInfo, first_year: int, years: int) -> list[datetime]:
    """When clocks were set, found by looking at every hour and then at every minute."""
    hour, minute = timedelta(hours=1), timedelta(minutes=1)
    moment, end = datetime(first_year, 1, 1, tzinfo=UTC), datetime(first_year + years, 1, 1, tzinfo=UTC)
    found = []
    while moment < end:
        if _offset(moment, zone) != _offset(moment + hour, zone):
            exact = moment
            while _offset(exact, zone) == _offset(moment, zone):
                exact += minute
            found.append(exact)
        moment += hour
    return found


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta | None:
    return moment.astimezone(zone).utcoffset()
