"""What fires after a gap, and what is missed."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks import timing
from tasks.timing import GRACE, MOST_MADE_UP, Cron, Decision, Interval, Missed, Rule

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def every(seconds: int) -> Interval:
    return Interval(every_seconds=seconds, starts_at=START)


def after(**spans: float) -> datetime:
    return START + timedelta(**spans)


def decide(policy: str, now: datetime, *, rule: Rule | None = None, window: timedelta = DAY) -> Decision:
    return timing.decide(rule or every(600), due_at=START, now=now, policy=policy, window=window)


@pytest.mark.parametrize("policy", ["none", "last", "all"])
@pytest.mark.parametrize("late", [0, 1, 60])
def test_one_time_on_time_fires_whatever_the_policy(policy: str, late: int) -> None:
    decision = decide(policy, after(seconds=late))
    assert (decision.fires_from, decision.newest, decision.missed) == (START, START, None)


@pytest.mark.parametrize("policy", ["none", "last"])
def test_newest_on_time_fires_alone(policy: str) -> None:
    decision = decide(policy, after(hours=1, seconds=30))
    assert decision.fires_from == after(hours=1)
    assert decision.missed == Missed(first=START, last=after(minutes=50), count=6)


def test_none_makes_up_for_nothing() -> None:
    decision = decide("none", after(hours=1, seconds=61))
    assert decision.fires_from is None
    assert decision.missed == Missed(first=START, last=after(hours=1), count=7)


def test_last_makes_up_for_the_newest() -> None:
    decision = decide("last", after(hours=1, minutes=5))
    assert decision.fires_from == decision.newest == after(hours=1)
    assert decision.missed == Missed(first=START, last=after(minutes=50), count=6)


def test_last_leaves_out_what_is_older_than_the_window() -> None:
    decision = decide("last", after(hours=1, minutes=5), window=timedelta(seconds=299))
    assert decision.fires_from is None
    assert decision.missed == Missed(first=START, last=after(hours=1), count=7)


def test_all_makes_up_for_each_within_the_window() -> None:
    decision = decide("all", after(hours=1, minutes=5), window=timedelta(minutes=35))
    assert (decision.fires_from, decision.newest) == (after(minutes=30), after(hours=1))
    assert decision.missed == Missed(first=START, last=after(minutes=20), count=3)


def test_all_fires_the_newest_on_time_although_the_window_is_shorter() -> None:
    decision = decide("all", after(hours=1, seconds=30), window=timedelta(seconds=1))
    assert decision.fires_from == decision.newest == after(hours=1)


def test_all_makes_up_for_a_bounded_number_the_newest_ones() -> None:
    decision = decide("all", after(hours=1), rule=every(1))
    assert decision.fires_from == after(hours=1, seconds=1 - MOST_MADE_UP)
    assert decision.missed == Missed(first=START, last=after(hours=1, seconds=-MOST_MADE_UP), count=2601)


def test_counting_has_an_end() -> None:
    assert decide("none", after(days=300), rule=every(1)).missed == Missed(
        first=START, last=after(days=300, seconds=-1), count=100_000
    )


policies = st.sampled_from(["none", "last", "all"])
rules = st.one_of(
    st.integers(1, 5_000).map(every),
    st.sampled_from(["* * * * * *", "*/7 * * * *", "30 2 * * *", "0,1 */2 * * *"]).map(
        lambda text: Cron.read(text, zone=timing.zone_named("Europe/Berlin"), starts_at=START)
    ),
)


@settings(max_examples=200, deadline=None)
@given(rule=rules, policy=policies, gap=st.integers(0, 20_000), window=st.integers(1, 20_000))
def test_decision_is_what_the_rules_say_word_for_word(rule: Rule, policy: str, gap: int, window: int) -> None:
    due_at = timing.next_after(rule, START - timedelta(seconds=1))
    assert due_at is not None
    now = due_at + timedelta(seconds=gap)
    decision = timing.decide(rule, due_at=due_at, now=now, policy=policy, window=timedelta(seconds=window))
    every_one = timing.between(rule, due_at - timedelta(seconds=1), now, 1_000_000)
    fires = _expected(every_one, policy, now, timedelta(seconds=window))
    missed = every_one[: len(every_one) - len(fires)]
    assert decision.fires_from == (fires[0] if fires else None)
    assert decision.newest == every_one[-1]
    assert decision.missed == (Missed(first=missed[0], last=missed[-1], count=len(missed)) if missed else None)


def _expected(due: list[datetime], policy: str, now: datetime, window: timedelta) -> list[datetime]:
    on_time = [time for time in due[-1:] if now - time <= GRACE]
    others = due[: len(due) - len(on_time)]
    if policy == "none":
        return on_time
    if policy == "last":
        return on_time or [time for time in others[-1:] if now - time <= window]
    made_up = [time for time in others if now - time <= window]
    return [*made_up, *on_time][-MOST_MADE_UP:]
