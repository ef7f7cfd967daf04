"""pip-audit itself, against an advisory service on this machine."""

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest

from tests.supply_chain import advisories, ignores, locks, osv_server
from tests.supply_chain.verdicts import Result, Verdict

pytestmark = [pytest.mark.security, pytest.mark.supply_chain]

CONTROL = {("cryptography", "41.0.7"): "GHSA-known"}
NOBODY = ("-s", "osv", "--osv-url", "http://127.0.0.1:9/v1/query")


def check(directory: Path, *services: Sequence[str], is_required: bool = False) -> Result:
    return advisories.check(reports=directory, is_required=is_required, services=services, lock_names=["tools"])


def test_vulnerable_package_fails(tmp_path: Path) -> None:
    """A-29, A-30"""
    package = next(each for each in locks.read_named("tools") if not each.marker)
    with osv_server.serving({**CONTROL, (package.name, package.version): "GHSA-planted"}) as service:
        result = check(tmp_path, service)
    assert result.verdict is Verdict.FAILED
    assert result.faults == (f"tools: {package.name} {package.version}: GHSA-planted, mended in 999",)


def test_package_of_other_machines_is_asked_about_too(tmp_path: Path) -> None:
    """A-29"""
    package = next(each for each in locks.read_named("tools") if not each.is_for_here())
    with osv_server.serving({**CONTROL, (package.name, package.version): "GHSA-planted"}) as service:
        assert "GHSA-planted" in check(tmp_path, service).faults[0]


def test_nothing_known_is_fine_and_the_answer_is_kept(tmp_path: Path) -> None:
    """A-29"""
    with osv_server.serving(CONTROL) as service:
        assert check(tmp_path, service).verdict is Verdict.OK
    kept = json.loads((tmp_path / "advisories-tools.json").read_text())["dependencies"]
    assert {each["name"] for each in kept} >= {"pip-audit", "bandit"}


def test_service_that_does_not_know_the_control_fails(tmp_path: Path) -> None:
    """0.20: whoever knows nothing finds nothing."""
    with osv_server.serving({}) as service:
        result = check(tmp_path, service)
    assert result.verdict is Verdict.FAILED
    assert "knows no vulnerability of cryptography==41.0.7" in result.sentence


def test_no_service_is_said_and_is_no_success(tmp_path: Path) -> None:
    """0.20"""
    result = check(tmp_path, NOBODY)
    assert result.verdict is Verdict.NOT_CHECKED
    assert "no advisory service answered" in result.sentence
    assert len(result.faults) == 1


def test_no_service_fails_where_one_is_required(tmp_path: Path) -> None:
    """A-29"""
    assert check(tmp_path, NOBODY, is_required=True).verdict is Verdict.FAILED


def test_next_service_is_tried(tmp_path: Path) -> None:
    with osv_server.serving(CONTROL) as service:
        assert check(tmp_path, NOBODY, service).verdict is Verdict.OK


def test_ignored_advisory_does_not_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A-30"""
    package = next(each for each in locks.read_named("tools") if not each.marker)
    known = [ignores.Ignore("GHSA-planted", package.name, "a test", date.max)]
    monkeypatch.setattr(ignores, "read_security", lambda: known)
    monkeypatch.setattr(ignores, "faults", lambda *_: [])
    with osv_server.serving({**CONTROL, (package.name, package.version): "GHSA-planted"}) as service:
        assert check(tmp_path, service).verdict is Verdict.OK
