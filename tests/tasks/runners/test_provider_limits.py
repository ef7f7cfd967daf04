"""What providers say of their limits is understood, and nothing else is taken for it."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.runners.provider_limits import end_in_headers, limit_in_text

NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("words", "code", "ends_at"),
    [
        ("Claude AI usage limit reached|1795360000", "usage_limited", datetime.fromtimestamp(1795360000, UTC)),
        ("5-hour limit reached \u2219 resets 3pm", "usage_limited", datetime(2026, 11, 22, 15, 0, tzinfo=BERLIN)),
        ("5-hour limit reached \u2219 resets 1am", "usage_limited", datetime(2026, 11, 23, 1, 0, tzinfo=BERLIN)),
        (
            "Claude usage limit reached. Your limit will reset at 12am.",
            "usage_limited",
            datetime(2026, 11, 23, 0, 0, tzinfo=BERLIN),
        ),
        (
            "You've hit your session limit \u00b7 resets 8:30pm (Asia/Tokyo)",
            "usage_limited",
            datetime(2026, 11, 23, 20, 30, tzinfo=ZoneInfo("Asia/Tokyo")),
        ),
        ("You've hit your limit \u00b7 resets 7am (UTC)", "usage_limited", datetime(2026, 11, 23, 7, 0, tzinfo=UTC)),
        (
            "You've hit your weekly limit \u00b7 resets Nov 27, 9am (UTC)",
            "usage_limited",
            datetime(2026, 11, 27, 9, 0, tzinfo=UTC),
        ),
        (
            "You've hit your weekly limit \u00b7 resets Jan 2 at 9am (UTC)",
            "usage_limited",
            datetime(2027, 1, 2, 9, 0, tzinfo=UTC),
        ),
        (
            "You've hit your usage limit. Upgrade (https://example.com) or try again in 2 days 17 hours 14\nminutes.",
            "usage_limited",
            NOW + timedelta(days=2, hours=17, minutes=14),
        ),
        (
            "You\u2019ve hit your usage limit. Purchase more credits or try again at 2:51 PM.",
            "usage_limited",
            datetime(2026, 11, 22, 14, 51, tzinfo=BERLIN),
        ),
        (
            "Usage limit reached, try again at Nov 25th, 2026 2:51 PM.",
            "usage_limited",
            datetime(2026, 11, 25, 14, 51, tzinfo=BERLIN),
        ),
        ("usage limit reached, resets at 14:05", "usage_limited", datetime(2026, 11, 22, 14, 5, tzinfo=BERLIN)),
        ("Rate limit reached for gpt-4o. Please try again in 20s.", "rate_limited", NOW + timedelta(seconds=20)),
        ("rate_limit_exceeded: try again in 1m30.5s", "rate_limited", NOW + timedelta(seconds=90.5)),
        ("Rate limit exceeded, retry after 350ms", "rate_limited", NOW + timedelta(milliseconds=350)),
        ("429 Too Many Requests, available at 2026-11-22T13:00:00Z", "rate_limited", NOW + timedelta(minutes=30)),
        ('{"type":"error","error":{"type":"rate_limit_error"}}', "rate_limited", None),
        ("You've hit your usage limit. Wait for limits to reset (every 5h).", "usage_limited", None),
        ("usage limit reached, resets at 99:99", "usage_limited", None),
        ("usage limit reached, resets 3pm (Nowhere/City)", "usage_limited", None),
        (
            "usage limit reached, resets at 18:30 America/New_York",
            "usage_limited",
            datetime(2026, 11, 22, 18, 30, tzinfo=ZoneInfo("America/New_York")),
        ),
        ("usage limit reached, resets at 13:30", "usage_limited", NOW + timedelta(seconds=30)),
        ("usage limit reached, resets at 13:25", "usage_limited", NOW + timedelta(seconds=30)),
        ("usage limit reached, resets at 13:15", "usage_limited", datetime(2026, 11, 23, 13, 15, tzinfo=BERLIN)),
        ("limit reached|\uff12\uff12\uff12\uff12\uff12\uff12\uff12\uff12\uff12\uff12", "rate_limited", None),
    ],
)
def test_limit_is_understood(words: str, code: str, ends_at: datetime | None) -> None:
    limit = limit_in_text(f"some output before\n{words}\n", now=NOW, zone=BERLIN)
    assert limit is not None
    assert (limit.code, limit.ends_at) == (code, ends_at)


@pytest.mark.parametrize(
    "words",
    [
        "",
        "the speed limit is 50",
        "delimit your fields",
        "Error: connection reset at 14:05",
        "try again at 2:51 PM",
        "Approaching the limits of what I can do",
    ],
)
def test_other_words_are_no_limit(words: str) -> None:
    assert limit_in_text(words, now=NOW) is None


@given(st.text(max_size=300))
def test_no_words_break_it(words: str) -> None:
    limit = limit_in_text(f"usage limit reached {words}", now=NOW)
    assert limit is not None
    assert limit.ends_at is None or limit.ends_at > NOW


@given(st.text(alphabet="0123456789 .dhms,resets at()/:pmJan|", max_size=120))
def test_no_numbers_break_it(words: str) -> None:
    assert limit_in_text(f"usage limit reached|resets {words}", now=NOW) is not None


@pytest.mark.parametrize(
    ("headers", "ends_at"),
    [
        ({"Retry-After": "30"}, NOW + timedelta(seconds=30)),
        ({"retry-after": "Sun, 22 Nov 2026 13:00:00 GMT"}, NOW + timedelta(minutes=30)),
        ({"retry-after-ms": "1500", "retry-after": "9"}, NOW + timedelta(seconds=1.5)),
        (
            {
                "anthropic-ratelimit-requests-remaining": "3",
                "anthropic-ratelimit-requests-reset": "2026-11-22T20:00:00Z",
                "anthropic-ratelimit-input-tokens-remaining": "0",
                "anthropic-ratelimit-input-tokens-reset": "2026-11-22T12:45:00Z",
            },
            NOW + timedelta(minutes=15),
        ),
        ({"anthropic-ratelimit-unified-reset": "1795360000"}, datetime.fromtimestamp(1795360000, UTC)),
        (
            {
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "1s",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "6m0s",
            },
            NOW + timedelta(minutes=6),
        ),
        ({"x-ratelimit-remaining-tokens": "12", "x-ratelimit-reset-tokens": "6m0s"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"anthropic-ratelimit-tokens-reset": "tomorrow"}, None),
        ({}, None),
    ],
)
def test_headers_are_understood(headers: dict[str, str], ends_at: datetime | None) -> None:
    assert end_in_headers(headers, now=NOW) == ends_at


@given(st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms", "x-ratelimit-reset-tokens"]), st.text()))
def test_no_headers_break_it(headers: dict[str, str]) -> None:
    end_in_headers(headers, now=NOW)
