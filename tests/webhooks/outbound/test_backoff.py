"""How long an endpoint is left alone."""

from datetime import UTC, datetime

import pytest

from webhooks.outbound import backoff

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


def test_first_retry_comes_after_five_seconds() -> None:
    assert {backoff.pause_of_delivery(1) for _ in range(50)} == {5.0}
    assert {backoff.pause_of_endpoint(1) for _ in range(50)} == {5.0}


@pytest.mark.parametrize(("failures", "longest"), [(2, 10), (3, 20), (4, 40), (8, 640), (12, 10_240)])
def test_pauses_double_and_are_spread_over_half_of_their_length(failures: int, longest: float) -> None:
    pauses = [backoff.pause_of_delivery(failures) for _ in range(400)]
    assert longest / 2 <= min(pauses) < longest * 0.55
    assert longest * 0.95 < max(pauses) <= longest


@pytest.mark.parametrize("failures", [13, 100, 2**31])
def test_pauses_have_an_end(failures: int) -> None:
    assert 2 * 3600 <= backoff.pause_of_delivery(failures) <= 4 * 3600
    assert 1800 <= backoff.pause_of_endpoint(failures) <= 3600


def test_three_days_hold_some_thirty_attempts() -> None:
    spent, attempts = 0.0, 1
    while spent < 3 * 24 * 3600:
        spent += backoff.pause_of_delivery(attempts)
        attempts += 1
    assert 25 <= attempts <= 50


def test_what_is_asked_for_counts_when_it_is_longer() -> None:
    assert backoff.pause_of_delivery(1, 60.0) == 60
    assert backoff.pause_of_delivery(1, 1.0) == 5
    assert backoff.pause_of_endpoint(1, 86_400.0) == 86_400


ASKED = {
    "120": 120.0,
    " 0 ": 0.0,
    "86400": 86_400.0,
    "86401": 86_400.0,
    "9999999999": 86_400.0,
    "Sat, 31 Jan 2026 12:01:00 GMT": 60.0,
    "Saturday, 31-Jan-26 12:01:00 GMT": 60.0,
    "Sat, 31 Jan 2026 11:00:00 GMT": 0.0,
    "Fri, 31 Dec 9999 23:59:59 GMT": 86_400.0,
    "": None,
    "-1": None,
    "1.5": None,
    "soon": None,
    "99999999999": None,
    "٣": None,
    "Sat, 99 Jan 2026 12:01:00 GMT": None,
    "Sat, 31 Jan 99999999999 12:01:00 GMT": None,
}


@pytest.mark.parametrize("value", ASKED)
def test_retry_after_is_read(value: str) -> None:
    assert backoff.read_retry_after(value, now=NOW) == ASKED[value]
