"""Reading cron expressions: what is refused, which field is named, and what it costs."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from personalq.lib.errors import InvalidInput
from tasks import timing
from tasks.timing import Cron, cron

START = datetime(2026, 1, 1, tzinfo=UTC)
UTC_ZONE = timing.zone_named("UTC")


def read(text: str, zone: str = "UTC") -> Cron:
    return Cron.read(text, zone=timing.zone_named(zone), starts_at=START)


def refusal(text: str) -> str:
    with pytest.raises(InvalidInput) as caught:
        read(text)
    (error,) = caught.value.errors
    assert (error.field, error.code) == ("cron", "bad_cron")
    return error.message


@pytest.mark.parametrize(
    ("text", "field", "allowed"),
    [
        ("60 * * * *", "minute", "0 to 59"),
        ("* 24 * * *", "hour", "0 to 23"),
        ("* * 32 * *", "day of month", "1 to 31"),
        ("* * 0 * *", "day of month", "1 to 31"),
        ("* * * 13 *", "month", "1 to 12 or JAN to DEC"),
        ("* * * FOO *", "month", "1 to 12 or JAN to DEC"),
        ("* * * * 8", "day of week", "0 to 7"),
        ("* * * * MON#6", "day of week", "#1 to #5"),
        ("60 * * * * *", "second", "0 to 59"),
        ("0 60 * * * *", "minute", "0 to 59"),
        ("0 0 24 * * *", "hour", "0 to 23"),
        ("5-1 * * * *", "minute", "ranges"),
        ("*/0 * * * *", "minute", "steps"),
        ("1,,2 * * * *", "minute", "lists"),
        ("$(id) * * * *", "minute", "0 to 59"),
    ],
)
def test_wrong_field_is_named_with_what_it_may_hold(text: str, field: str, allowed: str) -> None:
    message = refusal(text)
    assert f"The {field} is not understood" in message
    assert allowed in message


@pytest.mark.parametrize("text", ["* * * *", "* * * * * * *", "@daily", "5"])
def test_number_of_fields_is_told(text: str) -> None:
    assert "five fields (minute, hour, day of month, month, day of week), or six" in refusal(text)


@pytest.mark.parametrize("text", ["0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 */31 * FRI#5", "0 0 0 31 2 *"])
def test_day_that_never_comes_is_refused(text: str) -> None:
    assert "never comes" in refusal(text)


def test_leap_day_comes() -> None:
    assert timing.next_after(read("0 0 29 2 *"), START) == datetime(2028, 2, 29, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "   ", "* * * * *\n", "*\t* * * *", "* * * * \x00", "٣ * * * *", "* * * * ＊", "🕛 * * * *"]
)
def test_only_printable_ascii_is_read(text: str) -> None:
    assert "with spaces between" in refusal(text)


def test_length_is_bounded() -> None:
    assert "200 characters" in refusal("0," * 10_000 + "0 * * * *")


def test_span_of_one_number_is_that_number() -> None:
    assert timing.next_after(read("7-7 * * * *"), START) == START + timedelta(minutes=7)


def test_expression_is_kept_in_one_form() -> None:
    assert read("  0  9 * jan   mon-fri ").expression == "0 9 * JAN MON-FRI"


def test_the_worst_expressions_cost_little() -> None:
    worst = [
        ",".join(["0-59/1"] * 27) + " * * * *",
        "0 0 29 2 " + ",".join(["MON#5"] * 30),
        "0 0 */31 * FRI#5",
        "59 59 23 31 12 SUN#5",
        "*/99999999999999999999999999999999 * * * *",
        "-" * 190 + " * * * *",
    ]
    before = time.process_time()
    for text in worst:
        try:
            timing.between(read(text), START, START + timedelta(days=36_500), 5)
        except InvalidInput:
            continue
    assert time.process_time() - before < 2


def test_nothing_is_due_before_it_starts() -> None:
    cron = Cron.read("0 * * * *", zone=UTC_ZONE, starts_at=START + timedelta(days=3))
    assert timing.next_after(cron, START) == START + timedelta(days=3)


def test_nothing_is_due_after_the_end_of_the_calendar() -> None:
    late = datetime(9998, 12, 31, 23, tzinfo=UTC)
    assert timing.between(read("30 * * * *"), late, datetime.max.replace(tzinfo=UTC), 100) == [
        late + timedelta(minutes=30)
    ]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        # Clocks go from 2:00 to 3:00 on 29 March.
        ("30 2 * * *", ["28 02:30", "29 03:00", "30 02:30"]),
        ("15 30 2 * * *", ["28 02:30", "29 03:00", "30 02:30"]),
        ("0,30 2 * * *", ["28 02:00", "28 02:30", "29 03:00", "30 02:00"]),
        ("0 2,3 * * *", ["28 02:00", "28 03:00", "29 03:00", "30 02:00"]),
        ("30 */2 29 3 *", ["29 00:30", "29 04:30"]),
    ],
)
def test_skipped_hour(expression: str, expected: list[str]) -> None:
    assert shown(expression, datetime(2026, 3, 27, 12, tzinfo=UTC), len(expected)) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        # Clocks go from 3:00 back to 2:00 on 25 October.
        ("30 2 * * *", ["25 02:30 +0200", "26 02:30 +0100"]),
        ("15 30 2 * * *", ["25 02:30 +0200", "26 02:30 +0100"]),
        ("*/30 2 * * *", ["25 02:00 +0200", "25 02:30 +0200", "25 02:00 +0100", "25 02:30 +0100"]),
        ("0 * 25 10 *", ["25 00:00 +0200", "25 01:00 +0200", "25 02:00 +0200", "25 02:00 +0100"]),
    ],
)
def test_repeated_hour(expression: str, expected: list[str]) -> None:
    times = shown(expression, datetime(2026, 10, 24, 12, tzinfo=UTC), len(expected), with_offset=True)
    assert [time for time in times if not time.startswith("24")] == expected[: len(times)]


def test_asking_within_the_repeated_hour_does_not_bring_it_again() -> None:
    within = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)  # 2:10 for the second time
    assert shown("30 2 * * *", within, 1, with_offset=True) == ["26 02:30 +0100"]


def shown(expression: str, after: datetime, count: int, *, with_offset: bool = False) -> list[str]:
    cron = read(expression, "Europe/Berlin")
    form = "%d %H:%M %z" if with_offset else "%d %H:%M"
    found = timing.between(cron, after, after + timedelta(days=30), count)
    return [time.astimezone(cron.zone).strftime(form) for time in found]


def test_time_that_comes_after_years_is_not_looked_for_anew_at_each_change_of_clocks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    searched = []
    matches = cron._matches

    def counted(expression: str, after: datetime) -> Iterator[datetime]:
        searched.append(after)
        return matches(expression, after)

    monkeypatch.setattr(cron, "_matches", counted)
    times = read("*/59 */23 */28 2 SUN#5", "Africa/Casablanca").times(START)
    years = [at.year for at in islice(times, 9)]
    assert years == [2032] * 4 + [2060] * 4 + [2088]
    assert len(searched) < 10
