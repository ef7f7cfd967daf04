"""docs/security-audit.md and the registry say the same."""

import pytest

from tests.inspections import table

pytestmark = pytest.mark.security


def test_every_finding_is_documented_with_its_grades_and_its_remedy() -> None:
    _, written, _ = table.parts()
    assert written.splitlines() == list(table.lines()), "python -m tests.inspections.table"
