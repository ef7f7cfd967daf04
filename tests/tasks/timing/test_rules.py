"""Intervals, single times, notations, and searching in them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks import timing
from tasks.timing import Cron, Interval, Once, Rule

START = datetime(2026, 1, 1, tzinfo=UTC)
moments = st.integers(0, 600_000_000).map(lambda seconds: START + timedelta(seconds=seconds - 200_000_000))


@given(every=st.integers(1, 10_000_000), start=moments, moment=moments)
def test_interval_stays_on_its_grid(every: int, start: datetime, moment: datetime) -> None:
    interval = Interval(every_seconds=every, starts_at=start)
    due_at = timing.next_after(interval, moment)
    assert due_at is not None
    assert due_at > moment
    assert due_at >= start
    assert (due_at - start) % timedelta(seconds=every) == timedelta(0)
    assert due_at == start or due_at - timedelta(seconds=every) <= moment


def test_interval_begins_with_its_start() -> None:
    assert timing.next_after(Interval(every_seconds=60, starts_at=START), START - timedelta(days=1)) == START


def test_lateness_never_adds_up() -> None:
    interval, moment = Interval(every_seconds=60, starts_at=START), START
    for _ in range(100):
        due_at = timing.next_after(interval, moment)
        assert due_at is not None
        moment = due_at + timedelta(seconds=17)
    assert due_at == START + timedelta(minutes=100)


def test_interval_ends_with_the_calendar() -> None:
    interval = Interval(every_seconds=31_536_000, starts_at=datetime(9998, 6, 1, tzinfo=UTC))
    assert len(timing.between(interval, START, datetime.max.replace(tzinfo=UTC), 10)) == 2


def test_one_time_comes_once() -> None:
    local = datetime(2026, 5, 1, 9, tzinfo=timezone(timedelta(hours=2)))
    once = Once(starts_at=local)
    assert timing.next_after(once, START) == local
    assert timing.next_after(once, local) is None


@pytest.mark.parametrize("rule", [Interval(every_seconds=7, starts_at=START), Once(starts_at=START)])
def test_results_are_in_utc(rule: Rule) -> None:
    found = timing.next_after(rule, START - timedelta(hours=1))
    assert found is not None
    assert found.tzinfo is UTC


RULES: list[Rule] = [
    Cron.read(text, zone=timing.zone_named("Europe/Berlin"), starts_at=START)
    for text in ("* * * * * *", "*/7 * * * *", "30 2 * * *", "0 0 29 2 *", "* * * 1 1 *", "0 9 * * MON")
] + [Interval(every_seconds=97, starts_at=START)]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("seconds", [0, 1, 59, 3_600, 40_000])
def test_latest_is_the_last_of_all(rule: Rule, seconds: int) -> None:
    first = timing.next_after(rule, START)
    assert first is not None
    up_to = first + timedelta(seconds=seconds)
    everything = timing.between(rule, first - timedelta(microseconds=1), up_to, 1_000_000)
    assert timing.latest(rule, first, up_to) == everything[-1]
    assert timing.count(rule, first, everything[-1], 1_000_000) == len(everything)
    assert timing.count(rule, first, everything[-1], 3) == min(3, len(everything))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("every 30 seconds", 30), ("every 5 minutes", 300), ("every 2 hours", 7_200), ("every 1 minute", 60),
        ("Every hour", 3_600), (" every 3 days ", 259_200),
        ("every -1 minutes", None), ("every 5 fortnights", None), ("*/5 * * * *", None), ("", None),
        ("every ٣ minutes", None), ("every 5 minutes\n", None), ("every 99999999999 seconds", None),
    ],
)  # fmt: skip
def test_intervals_in_words(text: str, seconds: int | None) -> None:
    assert timing.interval_in(text) == seconds
