"""The sentence about a provider's limit."""

from datetime import UTC, datetime, timedelta

import pytest

from tasks.failures import FAILURES, FailureClass
from tasks.holds import WORDS, current_hold

NOW = datetime(2030, 1, 2, 13, 59, 30, tzinfo=UTC)


def sentence(until: datetime, code: str = "usage_limited") -> str:
    hold = current_hold(until=until, code=code, now=NOW)
    assert hold is not None
    return hold.sentence


@pytest.mark.parametrize(
    ("until", "clock"),
    [
        (datetime(2030, 1, 2, 14, 5, tzinfo=UTC), "14:05 UTC"),
        (datetime(2030, 1, 2, 14, 5, 0, 1, tzinfo=UTC), "14:06 UTC"),
        (datetime(2030, 1, 2, 23, 59, 1, tzinfo=UTC), "2030-01-03 00:00 UTC"),
        (datetime(2030, 1, 5, 14, 5, tzinfo=UTC), "2030-01-05 14:05 UTC"),
    ],
)
def test_hold_is_told_by_the_minute_in_which_it_is_over(until: datetime, clock: str) -> None:
    assert sentence(until) == f"held until {clock} (usage limit)"


def test_reason_is_told_in_words() -> None:
    assert sentence(NOW + timedelta(hours=1), "rate_limited").endswith("(rate limit)")


def test_every_failure_that_holds_has_words() -> None:
    assert set(WORDS) == {code for code, failure in FAILURES.items() if failure.kind is FailureClass.RATE_LIMITED}


@pytest.mark.parametrize("until", [None, NOW, NOW - timedelta(seconds=1)])
def test_hold_that_is_over_is_none(until: datetime | None) -> None:
    assert current_hold(until=until, code="rate_limited", now=NOW) is None
