"""How single values are read, over many odd ones."""

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.importing.values import REASONS, OlderRow, Refused, read_task, read_time
from tasks.lifecycle import OlderTask
from tasks.models.task import PROMPT_LENGTH
from tasks.states import Status

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
FIRST = datetime(2000, 1, 1)  # noqa: DTZ001 - hypothesis wants bounds without a zone
LAST = datetime(2026, 6, 2)  # noqa: DTZ001
ANYTHING = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(max_size=60),
    st.binary(max_size=60),
    st.text(st.characters(min_codepoint=0xD800, max_codepoint=0xDFFF), max_size=3),
    st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?(Z|[+-][0-9]{4})?)?"),
)
MOMENTS = st.datetimes(FIRST, LAST, timezones=st.just(UTC))


def make_row(**values: Any) -> OlderRow:
    usual: dict[str, Any] = {
        "place": 1,
        "id": 1,
        "prompt": "x",
        "prompt_bytes": 1,
        "status": 0,
        "createdat": None,
        "updatedat": None,
        "order": 0,
        "uuid": None,
    }
    return OlderRow(**{**usual, **values})


@given(
    id=ANYTHING,
    prompt=ANYTHING,
    prompt_bytes=st.none() | st.integers(0, 10**7),
    status=ANYTHING | st.integers(-1, 6),
    createdat=ANYTHING,
    updatedat=ANYTHING,
    order=ANYTHING,
    uuid=ANYTHING | st.uuids().map(str),
)
def test_any_row_is_read_within_the_rules_or_refused_with_a_reason(**values: Any) -> None:
    row = make_row(**values)
    refused, task = refuse_or_read(row)
    assert (refused is None) != (task is None)
    if refused is not None:
        assert refused.reason in REASONS
        assert refused.field in {"id", "prompt", "status", "createdat", "updatedat", "order", "uuid"}
    if task is not None:
        assert 1 <= len(task.prompt) <= PROMPT_LENGTH
        assert task.prompt.encode()
        assert task.status != Status.RUNNING
        assert -(2**31) <= task.order < 2**31
        assert read_task(row, now=NOW) == task


def refuse_or_read(row: OlderRow) -> tuple[Refused | None, OlderTask | None]:
    try:
        return None, read_task(row, now=NOW)
    except Refused as refused:
        return refused, None


@given(MOMENTS)
def test_each_form_of_a_moment_means_the_same(moment: datetime) -> None:
    whole = moment.replace(microsecond=0)
    for text in (
        f"{whole:%Y-%m-%d %H:%M:%S}",
        f"{whole:%Y-%m-%dT%H:%M:%SZ}",
        f"{whole:%Y-%m-%dT%H:%M:%S.000+00:00}",
        f"{whole.astimezone(timezone(timedelta(hours=5, minutes=30))):%Y-%m-%d %H:%M:%S%z}",
        int(whole.timestamp()),
        int(whole.timestamp()) * 1000,
        str(int(whole.timestamp())),
        f"{int(whole.timestamp()) * 1000}.0",
    ):
        assert read_time("createdat", text, now=NOW) == whole
    assert read_time("createdat", f"{moment:%Y-%m-%d %H:%M:%S.%f}", now=NOW) == moment


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2025-11-02", datetime(2025, 11, 2, tzinfo=UTC)),
        ("2025-11-02 10:30", datetime(2025, 11, 2, 10, 30, tzinfo=UTC)),
        ("2025-11-02T10:30:05.123456789Z", datetime(2025, 11, 2, 10, 30, 5, 123_456, tzinfo=UTC)),
        (1_762_079_405.25, datetime(2025, 11, 2, 10, 30, 5, 250_000, tzinfo=UTC)),
        (1_762_079_405_250, datetime(2025, 11, 2, 10, 30, 5, 250_000, tzinfo=UTC)),
    ],
)
def test_known_forms(value: Any, moment: datetime) -> None:
    assert read_time("createdat", value, now=NOW) == moment


@pytest.mark.parametrize(
    "value",
    [
        "", " ", "now", "2025-13-01", "2025-02-29", "2025-11-02 24:00:00", "2025-11-02 10:30:61", "20251102",
        "2025-W44-7", "02.11.2025", "2025-11-02 10:30:05 Europe/Prague", "٢٠٢٥-١١-٠٢", "2025-11-02\n", math.nan,
        math.inf, -1, 0, 946_684_799, 10**17, 2_460_982.5, b"2025-11-02", "1999-12-31",
        "2026-06-03 00:00:00", "2025-11-02 10:30:05+99:99",
    ],
)  # fmt: skip
def test_what_is_no_moment_is_refused(value: Any) -> None:
    with pytest.raises(Refused) as caught:
        read_time("createdat", value, now=NOW)
    assert (caught.value.field, caught.value.reason) == ("createdat", "impossible_date")


def test_made_id_depends_on_what_stays_the_same_over_there() -> None:
    before = read_task(make_row(status=0, order=1, updatedat="2025-01-01"), now=NOW)
    after = read_task(make_row(status=1, order=2, updatedat="2025-02-01"), now=NOW)
    assert before.uuid == after.uuid
    others = [make_row(id=2), make_row(prompt="y"), make_row(createdat="2025-01-01")]
    assert len({before.uuid, *(read_task(row, now=NOW).uuid for row in others)}) == 4
