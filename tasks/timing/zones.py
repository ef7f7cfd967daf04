"""Time zones of the IANA database, and the stretches of time in which their clocks do not change."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from personalq.lib.errors import InvalidInput

LAST_YEAR: Final = 9998
"""Calculations end with it: one year later a change of zone could leave what a datetime can hold."""
_NO_ZONES: Final = {"Factory", "localtime", "posixrules"}
"""Files beside the zones, which mean something else on each machine."""
_DAY: Final = timedelta(days=1)
_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """A time without a change of clocks, from `starts_at` up to and without `ends_at`, at most a year long."""

    starts_at: datetime
    ends_at: datetime
    offset: timedelta


@lru_cache(maxsize=1)
def zone_names() -> tuple[str, ...]:
    """The names of all time zones, sorted. Read once: new ones are known after a restart."""
    return tuple(sorted(available_timezones() - _NO_ZONES))


def zone_named(name: str, *, field: str = "zone") -> ZoneInfo:
    """The zone of exactly this name. Raises InvalidInput `unknown_zone` naming the field."""
    # Only names from the list are opened, so none can lead to another file.
    if name in _known():
        return ZoneInfo(name)
    meant = _by_folded_name().get(name.casefold())
    advice = f"Did you mean {meant}?" if meant else "Use a name of the IANA database, such as Europe/Berlin or UTC."
    raise InvalidInput.for_field(field, "unknown_zone", f"There is no time zone of this name. {advice}")


def stretches(zone: ZoneInfo, moment: datetime) -> Iterator[Stretch]:
    """All stretches that end after a moment, in order; a new one begins with each year, too."""
    for year in range(moment.year, LAST_YEAR + 1):
        edges = (datetime(year, 1, 1, tzinfo=UTC), *_changes(zone.key, year), datetime(year + 1, 1, 1, tzinfo=UTC))
        for starts_at, ends_at in pairwise(edges):
            if moment < ends_at and starts_at < ends_at:
                yield Stretch(starts_at=starts_at, ends_at=ends_at, offset=offset_at(zone, starts_at))


def wall_time(zone: ZoneInfo, moment: datetime) -> datetime:
    """What clocks show at a moment, without a zone."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def latest_wall_time(zone: ZoneInfo, moment: datetime) -> datetime:
    """The latest time that clocks have shown up to a moment: in a repeated hour that was before they were set back."""
    local = moment.astimezone(zone)
    if not local.fold:
        return local.replace(tzinfo=None)
    changed_at = max(at for year in (moment.year - 1, moment.year) for at in _changes(zone.key, year) if at <= moment)
    return wall_time(zone, changed_at - _SECOND)


def offset_at(zone: ZoneInfo, moment: datetime) -> timedelta:
    """By how much the zone's clocks are ahead of UTC."""
    return moment.astimezone(zone).utcoffset() or timedelta(0)


@lru_cache(maxsize=4096)
def _changes(key: str, year: int) -> tuple[datetime, ...]:
    """When the zone's clocks are changed in a year of UTC.

    Each day is looked at once; no zone has changed its clocks twice within six days since 1970.
    """
    zone = ZoneInfo(key)
    days = [datetime(year, 1, 1, tzinfo=UTC) + number * _DAY for number in range(366)]
    ends = [*days[1:], datetime(year + 1, 1, 1, tzinfo=UTC)]
    return tuple(
        _change_within(zone, day, end)
        for day, end in zip(days, ends, strict=True)
        if offset_at(zone, day) != offset_at(zone, end)
    )


def _change_within(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The first second with the later offset, which is in force at `after` and not at `before`."""
    old = offset_at(zone, before)
    while after - before > _SECOND:
        middle = before + (after - before) // (2 * _SECOND) * _SECOND
        if offset_at(zone, middle) == old:
            before = middle
        else:
            after = middle
    return after


@lru_cache(maxsize=1)
def _known() -> frozenset[str]:
    return frozenset(zone_names())


@lru_cache(maxsize=1)
def _by_folded_name() -> dict[str, str]:
    return {name.casefold(): name for name in zone_names()}
