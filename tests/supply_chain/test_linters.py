"""bandit, zizmor and hadolint themselves see what they should."""

from pathlib import Path

import pytest

from tests.supply_chain import faulty, linting
from tests.supply_chain.verdicts import Verdict

pytestmark = [pytest.mark.security, pytest.mark.supply_chain]


def test_linter_that_sees_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faulty, "CODE", "x = 1\n")
    monkeypatch.setattr(faulty, "WORKFLOW_RULES", {"no-such-rule"})
    monkeypatch.setattr(faulty, "DOCKERFILE_RULES", {"DL0000"})
    for check in (linting.check_code, linting.check_workflows, linting.check_images):
        assert check().verdict is Verdict.FAILED


def test_faulty_workflow_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """B-HIGH-004"""
    workflows = tmp_path / ".github" / "workflows"
    workflows.mkdir(parents=True)
    (workflows / "x.yml").write_text(faulty.WORKFLOW)
    monkeypatch.setattr(linting, "WORKFLOWS", workflows)
    assert linting.check_workflows().verdict is Verdict.FAILED


def test_our_workflows_and_images_are_fine() -> None:
    """A-213"""
    assert linting.check_workflows().verdict is Verdict.OK
    assert linting.check_images().verdict is Verdict.OK
