"""The scan for advisories fails when it should, also when it could ask nobody."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.supply_chain import advisories, ignores, locks, programs
from tests.supply_chain.verdicts import Result, Verdict

pytestmark = pytest.mark.security

NOBODY = ("-s", "osv", "--osv-url", "http://127.0.0.1:9/v1/query")


class TestDecision:
    """What is made of pip-audit's answers, with answers that are given here."""

    def answer_with(self, monkeypatch: pytest.MonkeyPatch, *answers: list[dict[str, Any]] | None) -> list[Path]:
        asked: list[Path] = []
        waiting = list(answers)

        def ask(file: Path, *_: object) -> advisories.Answer:
            asked.append(file)
            return advisories.Answer(waiting.pop(0), "it went away")

        monkeypatch.setattr(advisories, "ask", ask)
        return asked

    def check(self, directory: Path, *, is_required: bool = False) -> Result:
        return advisories.check(reports=directory, is_required=is_required, services=[NOBODY], lock_names=["tools"])

    def control(self) -> list[dict[str, Any]]:
        return [{"name": "cryptography", "version": "41.0.7", "vulns": [{"id": "GHSA-1", "fix_versions": ["42"]}]}]

    def all_of(self, name: str) -> list[dict[str, Any]]:
        return [{"name": each.name, "version": each.version, "vulns": []} for each in locks.read_named(name)]

    def test_nothing_known_of_any_package_is_fine(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answer_with(monkeypatch, self.control(), self.all_of("tools"))
        assert self.check(tmp_path).verdict is Verdict.OK

    def test_service_that_does_not_know_the_control_fails(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """0.20"""
        blind = [{**each, "vulns": []} for each in self.control()]
        self.answer_with(monkeypatch, blind, self.all_of("tools"))
        assert self.check(tmp_path).verdict is Verdict.FAILED

    def test_no_service_is_no_success(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """0.20, A-29"""
        self.answer_with(monkeypatch, None, None)
        assert self.check(tmp_path).verdict is Verdict.NOT_CHECKED
        assert self.check(tmp_path, is_required=True).verdict is Verdict.FAILED

    def test_service_that_goes_away_in_the_middle_fails(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answer_with(monkeypatch, self.control(), None, None)
        result = self.check(tmp_path)
        assert result.verdict is Verdict.FAILED
        assert "not all packages could be asked about: it went away" in result.faults[0]

    def test_package_that_nobody_answers_for_fails(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A-29: a skipped package is a fault."""
        self.answer_with(monkeypatch, self.control(), self.all_of("tools")[1:], [])
        assert "never asked about" in self.check(tmp_path).faults[0]

    def test_package_whose_answer_was_skipped_fails(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        first, *others = self.all_of("tools")
        skipped = [{"name": first["name"], "skip_reason": "not found"}]
        self.answer_with(monkeypatch, self.control(), [*others, *skipped], skipped)
        assert self.check(tmp_path).verdict is Verdict.FAILED

    def test_expired_ignore_fails_whether_a_service_answers_or_not(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A-30"""
        monkeypatch.setattr(ignores, "read_security", lambda: [ignores.Ignore("GHSA-1", "a", "why", date(2026, 1, 1))])
        asked = self.answer_with(monkeypatch)
        assert self.check(tmp_path).verdict is Verdict.FAILED
        assert asked == []

    def test_two_versions_of_one_package_are_asked_about_apart(self, tmp_path: Path) -> None:
        rest = [locks.Locked("a", version, "", ("ab" * 32,)) for version in ("1", "2")]
        files = list(advisories.files_for(rest, tmp_path / "elsewhere"))
        assert [len(locks.read(file.read_text())) for file in files] == [1, 1]


def test_pip_audit_is_asked_strictly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """0.20: without --strict it ends well when it could not look anything up."""
    program = tmp_path / "pip-audit"
    program.write_text('#!/bin/sh\necho "$@" >&2\n')
    program.chmod(0o755)
    monkeypatch.setattr(programs, "TOOLS", tmp_path)
    answer = advisories.ask(advisories.CONTROL, ("-s", "pypi"), [], tmp_path / "report.json")
    assert answer.packages is None
    assert "--strict --require-hashes" in answer.said
    assert str(advisories.CONTROL) in answer.said
