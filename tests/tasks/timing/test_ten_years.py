"""Ten years in five zones, beside croniter and beside a walk through every minute around each change of clocks.

croniter decides three things differently on purpose. Each such time stands in the tables below; any other difference
fails.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter

from tasks import timing
from tests.tasks.timing.walking import clock_changes, walk

BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"
CASABLANCA, APIA = "Africa/Casablanca", "Pacific/Apia"
# Apia's decade holds its only summers with daylight saving time, and the day that it skipped.
FIRST_YEARS = {BERLIN: 2024, NEW_YORK: 2024, LORD_HOWE: 2024, CASABLANCA: 2024, APIA: 2006}
CHANGES = {BERLIN: 20, NEW_YORK: 20, LORD_HOWE: 20, CASABLANCA: 22, APIA: 12}

TIMES_OF_DAY = [
    "0 0 * * *", "30 1 * * *", "0 2 * * *", "30 2 * * *", "0 3 * * *", "0,30 2 * * *", "30 1,2,3 * * *",
    "15 2 * * 0", "0 9 * * 1-5", "30 2 1,15 * 1", "59 23 L * *", "0 0 29 2 *", "0 12 1 */3 *",
    "0 30 2 * * *", "30 30 2 * * *", "*/20 30 1 * * *",
]  # fmt: skip
BY_CLOCK = [
    "*/30 * * * *", "0 * * * *", "15 * * * *", "0 */2 * * *", "*/20 2 * * *", "*/15 1-3 * * *", "0 */30 * * * *",
]  # fmt: skip
WHOLE_DECADE = ["30 2 * * *", "15 2 * * 0", "30 2 1,15 * 1", "59 23 L * *", "0 0 29 2 *", "0 12 1 */3 *"]

# What is in the repeated hour croniter fires twice; a time of day is due once a day here.
TWICE_IN_CRONITER = {
    (BERLIN, "0 2 * * *"): 10,
    (BERLIN, "30 2 * * *"): 10,
    (BERLIN, "0,30 2 * * *"): 20,
    (BERLIN, "30 1,2,3 * * *"): 10,
    (BERLIN, "15 2 * * 0"): 10,
    (BERLIN, "0 30 2 * * *"): 10,
    (BERLIN, "30 30 2 * * *"): 10,
    (NEW_YORK, "30 1 * * *"): 10,
    (NEW_YORK, "30 1,2,3 * * *"): 10,
    (NEW_YORK, "*/20 30 1 * * *"): 30,
    (LORD_HOWE, "30 1 * * *"): 10,
    (LORD_HOWE, "30 1,2,3 * * *"): 10,
    (LORD_HOWE, "*/20 30 1 * * *"): 30,
    (CASABLANCA, "0 2 * * *"): 11,
    (CASABLANCA, "30 2 * * *"): 11,
    (CASABLANCA, "0,30 2 * * *"): 22,
    (CASABLANCA, "30 1,2,3 * * *"): 11,
    (CASABLANCA, "15 2 * * 0"): 11,
    (CASABLANCA, "30 2 1,15 * 1"): 1,
    (CASABLANCA, "0 30 2 * * *"): 11,
    (CASABLANCA, "30 30 2 * * *"): 11,
    (APIA, "0 3 * * *"): 5,
    (APIA, "30 1,2,3 * * *"): 5,
}
# What clocks skip croniter moves to the end of the gap also when it comes again and again; here that time passes.
MOVED_BY_CRONITER = {
    (BERLIN, "0 */2 * * *"): 10,
    (BERLIN, "*/20 2 * * *"): 10,
    (NEW_YORK, "0 */2 * * *"): 10,
    (NEW_YORK, "*/20 2 * * *"): 10,
    (LORD_HOWE, "0 */2 * * *"): 10,
    (LORD_HOWE, "*/20 2 * * *"): 10,
    (CASABLANCA, "0 */2 * * *"): 11,
    (CASABLANCA, "*/20 2 * * *"): 11,
    (APIA, "0 */2 * * *"): 1,
    (APIA, "*/20 2 * * *"): 1,
    (APIA, "*/15 1-3 * * *"): 6,
}
# A skipped time of day with seconds: croniter keeps the seconds, here it comes at the first moment after the gap.
SECONDS_KEPT_BY_CRONITER = {
    (BERLIN, "30 30 2 * * *"): 10,
    (NEW_YORK, "30 30 2 * * *"): 10,
    (CASABLANCA, "30 30 2 * * *"): 11,
    (APIA, "30 30 2 * * *"): 1,
}


@lru_cache
def changes_of(name: str) -> tuple[datetime, ...]:
    return tuple(clock_changes(ZoneInfo(name), FIRST_YEARS[name], 10))


def ours(expression: str, name: str, after: datetime, up_to: datetime) -> set[datetime]:
    zone = ZoneInfo(name)
    cron = timing.Cron.read(expression, zone=zone, starts_at=datetime(2000, 1, 1, tzinfo=UTC))
    return set(timing.between(cron, after, up_to, 1_000_000))


def theirs(expression: str, name: str, after: datetime, up_to: datetime) -> set[datetime]:
    found = croniter(expression, after.astimezone(ZoneInfo(name)), ret_type=datetime, second_at_beginning=True)
    times = set()
    while (time := found.get_next().astimezone(UTC)) <= up_to:
        times.add(time)
    return times


def around(change: datetime) -> tuple[datetime, datetime]:
    return change - timedelta(days=2), change + timedelta(days=2)


def is_second_time(time: datetime, name: str) -> bool:
    return time.astimezone(ZoneInfo(name)).fold == 1


def end_of_gap(time: datetime, name: str) -> datetime | None:
    """The change just before a time at which clocks were set forward."""
    for change in changes_of(name):
        before, after = ((change + timedelta(seconds=s)).astimezone(ZoneInfo(name)).utcoffset() for s in (-1, 0))
        if (
            before is not None
            and after is not None
            and before < after
            and timedelta(0) <= time - change < timedelta(minutes=1)
        ):
            return change
    return None


def expected_of(ours: set[datetime], theirs: set[datetime], name: str, expression: str) -> None:
    """Every difference is of a named kind, and there are as many of it as the table says."""
    here = (name, expression)
    twice = {time for time in theirs - ours if is_second_time(time, name)}
    rest = theirs - ours - twice
    kept = {time for time in rest if time.second and end_of_gap(time, name)}
    moved = {time for time in rest - kept if end_of_gap(time, name) == time}
    assert rest == kept | moved
    assert ours - theirs == {end_of_gap(time, name) for time in kept}
    assert len(twice) == TWICE_IN_CRONITER.get(here, 0)
    assert len(kept) == SECONDS_KEPT_BY_CRONITER.get(here, 0)
    assert len(moved) == MOVED_BY_CRONITER.get(here, 0)


@pytest.mark.parametrize("name", FIRST_YEARS)
def test_each_decade_has_the_changes_that_are_meant(name: str) -> None:
    assert len(changes_of(name)) == CHANGES[name]


@pytest.mark.parametrize("name", FIRST_YEARS)
@pytest.mark.parametrize("expression", TIMES_OF_DAY + BY_CLOCK)
def test_croniter_agrees_around_every_change_of_clocks(name: str, expression: str) -> None:
    mine: set[datetime] = set()
    other: set[datetime] = set()
    for change in changes_of(name):
        mine |= ours(expression, name, *around(change))
        other |= theirs(expression, name, *around(change))
    expected_of(mine, other, name, expression)


@pytest.mark.parametrize("name", FIRST_YEARS)
@pytest.mark.parametrize("expression", WHOLE_DECADE)
def test_croniter_agrees_over_the_whole_decade(name: str, expression: str) -> None:
    first = FIRST_YEARS[name]
    decade = datetime(first, 1, 1, tzinfo=UTC), datetime(first + 10, 1, 1, tzinfo=UTC)
    expected_of(ours(expression, name, *decade), theirs(expression, name, *decade), name, expression)


@pytest.mark.parametrize("name", FIRST_YEARS)
@pytest.mark.parametrize("expression", [each for each in TIMES_OF_DAY + BY_CLOCK if len(each.split()) == 5])
def test_a_walk_through_every_minute_finds_the_same(name: str, expression: str) -> None:
    for change in changes_of(name):
        after, up_to = change - timedelta(hours=14), change + timedelta(hours=14)
        assert ours(expression, name, after, up_to) == set(walk(expression, ZoneInfo(name), after, up_to))


@pytest.mark.parametrize("name", [BERLIN, LORD_HOWE])
@pytest.mark.parametrize("expression", [each for each in TIMES_OF_DAY + BY_CLOCK if len(each.split()) == 6])
def test_a_walk_through_every_second_finds_the_same(name: str, expression: str) -> None:
    for change in changes_of(name)[:2]:
        after, up_to = change - timedelta(hours=3), change + timedelta(hours=3)
        assert ours(expression, name, after, up_to) == set(walk(expression, ZoneInfo(name), after, up_to))
