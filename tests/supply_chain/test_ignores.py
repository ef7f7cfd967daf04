"""An advisory is ignored for a reason and for a time."""

from datetime import date

import pytest

from tests.supply_chain import ignores

pytestmark = pytest.mark.security

TODAY = date(2026, 11, 22)
HEAD = f"""\
# Security

{ignores.HEADING}

Words before the table.

| Advisory | Package | Why it does not reach us | Until |
|---|---|---|---|
"""
ROW = "| `GHSA-1` | name 1.0 | We never call it | 2026-12-01 |\n"


def test_row_is_read() -> None:
    (one,) = ignores.read(HEAD + ROW)
    assert (one.advisory, one.package, one.reason) == ("GHSA-1", "name 1.0", "We never call it")
    assert one.until == date(2026, 12, 1)


def test_none_is_none() -> None:
    assert ignores.read(HEAD + "| none | | | |\n") == []


def test_other_tables_do_not_count() -> None:
    assert len(ignores.read(f"{HEAD}{ROW}\n## Next\n\n{ROW}")) == 1


@pytest.mark.parametrize(
    "row",
    [
        "| GHSA-1 | name 1.0 | We never call it | soon |\n",
        "| GHSA-1 | name 1.0 | | 2026-12-01 |\n",
        "| | name 1.0 | We never call it | 2026-12-01 |\n",
        "| GHSA-1 | We never call it | 2026-12-01 |\n",
    ],
)
def test_row_without_reason_or_date_is_refused(row: str) -> None:
    """A-30"""
    with pytest.raises(ignores.MalformedTableError):
        ignores.read(HEAD + row)


def test_missing_table_is_refused() -> None:
    with pytest.raises(ignores.MalformedTableError):
        ignores.read("# Security\n")


@pytest.mark.parametrize(
    ("until", "count"), [("2026-11-22", 0), ("2026-11-21", 1), ("2027-02-20", 0), ("2027-02-21", 1)]
)
def test_it_fails_the_day_after_its_date_and_cannot_last_for_ever(until: str, count: int) -> None:
    """A-30"""
    assert len(ignores.faults(ignores.read(HEAD + ROW.replace("2026-12-01", until)), TODAY)) == count


def test_table_of_security_md_is_read() -> None:
    assert isinstance(ignores.read_security(), list)
