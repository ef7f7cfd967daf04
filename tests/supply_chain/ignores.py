"""The advisories that SECURITY.md says we live with for a while."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from tests.contracts.reading import REPOSITORY

HEADING = "### Advisories we live with for a while"
LONGEST = timedelta(days=90)
_COLUMNS = ["Advisory", "Package", "Why it does not reach us", "Until"]


class MalformedTableError(Exception):
    """The table cannot be read, so nothing in it counts."""


@dataclass(frozen=True)
class Ignore:
    """One advisory that is ignored until the end of a day."""

    advisory: str
    package: str
    reason: str
    until: date


def read(text: str) -> list[Ignore]:
    """The rows of the table.

    Raises:
        MalformedTableError: There is no such table, or a row lacks an advisory, a reason or a date.
    """
    return [_ignore(cells) for cells in _rows(text)]


def read_security(path: Path = REPOSITORY / "SECURITY.md") -> list[Ignore]:
    return read(path.read_text())


def faults(ignores: list[Ignore], today: date) -> list[str]:
    """Each that has run out, or that would outlive the time we give ourselves."""
    expired = [f"{one.advisory} ({one.package}) was ignored until {one.until}" for one in ignores if one.until < today]
    endless = [
        f"{one.advisory} ({one.package}) is ignored for more than {LONGEST.days} days"
        for one in ignores
        if one.until > today + LONGEST
    ]
    return expired + endless


def _rows(text: str) -> Iterator[list[str]]:
    _, found, after = text.partition(f"{HEADING}\n")
    lines = [line for line in after.partition("\n#")[0].splitlines() if line.startswith("|")]
    cells = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines]
    if not found or cells[:1] != [_COLUMNS]:
        raise MalformedTableError(f"SECURITY.md has no table of {_COLUMNS} below {HEADING!r}")
    yield from (row for row in cells[2:] if row[0] != "none")


def _ignore(cells: list[str]) -> Ignore:
    try:
        advisory, package, reason, until = cells
        row = Ignore(advisory, package, reason, date.fromisoformat(until))
    except ValueError as error:
        raise MalformedTableError(f"{' | '.join(cells)}: {error}") from error
    if not all((advisory, package, reason)):
        raise MalformedTableError(f"{' | '.join(cells)}: a cell is empty")
    return row
