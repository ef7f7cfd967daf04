"""Faults in our code are explained where they stand, or they are faults."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.reading import REPOSITORY
from tests.supply_chain import faulty, linting, programs
from tests.supply_chain.verdicts import Verdict

pytestmark = pytest.mark.security


def finding(file: str, line: int, rule: str) -> dict[str, Any]:
    return {"filename": str(REPOSITORY / file), "line_number": line, "line_range": [line], "test_id": rule}


def line_of(file: str, words: str) -> int:
    lines = (REPOSITORY / file).read_text().splitlines()
    return next(number for number, line in enumerate(lines, start=1) if words in line)


class TestExplanations:
    FILE = "tasks/backoff.py"

    def test_noqa_on_the_line_explains_its_own_rule_only(self) -> None:
        line = line_of(self.FILE, "# noqa: S311")
        assert linting.is_explained(finding(self.FILE, line, "B311"), {})
        assert not linting.is_explained(finding(self.FILE, line, "B602"), {})

    def test_other_line_explains_nothing(self) -> None:
        assert not linting.is_explained(finding(self.FILE, 1, "B311"), {})

    def test_pattern_of_files_explains_what_it_names(self) -> None:
        assert linting.is_explained(finding(self.FILE, 1, "B608"), {"tasks/*": ["S608"]})
        assert not linting.is_explained(finding(self.FILE, 1, "B608"), {"accounts/*": ["S608"]})


class TestRuff:
    def lint(self) -> dict[str, Any]:
        lint: dict[str, Any] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
        return lint

    def test_rules_of_security_are_on(self) -> None:
        """A-236"""
        assert "ALL" in self.lint()["select"]
        assert {rule for rule in self.lint()["ignore"] if rule.startswith("S") and rule[1:].isdigit()} == {
            "S105",
            "S106",
        }

    def test_an_explanation_names_its_rule(self) -> None:
        assert not {"PGH", "PGH004", "RUF100"} & set(self.lint()["ignore"])

    def test_product_code_has_few_exemptions(self) -> None:
        patterns = {
            pattern: {rule for rule in rules if rule[0] == "S" and rule[1:].isdigit()}
            for pattern, rules in self.lint()["per-file-ignores"].items()
        }
        given = {
            pattern: rules
            for pattern, rules in patterns.items()
            if rules and pattern.split("/")[0] not in {"tests", "bench"}
        }
        assert {rule for rules in given.values() for rule in rules} <= {"S404", "S603", "S607", "S608"}


def test_fault_that_nobody_explains_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A-236"""
    planted = [{"test_id": faulty.CODE_RULE}], [{**finding("manage.py", 1, "B602"), "issue_text": "planted"}]
    answers = iter(planted)
    monkeypatch.setattr(linting, "_bandit", lambda *_: next(answers))
    result = linting.check_code()
    assert result.verdict is Verdict.FAILED
    assert result.faults == ("manage.py:1: B602 planted",)


def test_file_that_bandit_cannot_read_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    answer = {"results": [], "errors": [{"filename": str(REPOSITORY / "manage.py"), "reason": "syntax error"}]}
    program = tmp_path / "bandit"
    program.write_text(f"#!/bin/sh\ncat <<'E'\n{json.dumps(answer)}\nE\n")
    program.chmod(0o755)
    monkeypatch.setattr(programs, "TOOLS", tmp_path)
    assert [each["test_id"] for each in linting._bandit(REPOSITORY)] == ["unread"]
