"""What is not checked is not green, and what fails ends with a failure."""

import json
from pathlib import Path

import pytest

from tests.supply_chain import __main__ as command
from tests.supply_chain import advisories, programs
from tests.supply_chain.verdicts import Result, Verdict, judge

pytestmark = pytest.mark.security


@pytest.fixture(autouse=True)
def reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(programs, "REPORTS", tmp_path / "reports")
    return tmp_path / "reports"


def give(monkeypatch: pytest.MonkeyPatch, **results: Result) -> None:
    monkeypatch.setattr(command, "CHECKS", {name: lambda result=result: result for name, result in results.items()})


FINE = Result(Verdict.OK, "all is well")
BAD = Result(Verdict.FAILED, "1 to mend", ("this one",))
UNKNOWN = Result(Verdict.NOT_CHECKED, "nobody answered", ("tried one",))


def test_failure_ends_with_one(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    give(monkeypatch, locks=FINE, advisories=BAD)
    assert command.main([]) == 1
    assert "this one" in capsys.readouterr().out


def test_what_was_not_checked_is_said_and_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], reports: Path
) -> None:
    """A-29: it is counted apart, on the screen and in the report."""
    give(monkeypatch, locks=FINE, advisories=UNKNOWN)
    assert command.main([]) == 0
    shown = capsys.readouterr().out
    assert "NOT CHECKED  nobody answered" in shown
    assert shown.splitlines()[-1] == "supply chain: 1 ok, 1 NOT CHECKED"
    kept = json.loads((reports / "report.json").read_text())["checks"]
    assert (kept["advisories"]["verdict"], kept["locks"]["verdict"]) == ("NOT CHECKED", "ok")


def test_words_choose_checks_and_none_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, locks=FINE, advisories=BAD)
    assert command.main(["lock"]) == 0
    assert command.main(["misspelled"]) == 1


@pytest.mark.parametrize(("value", "verdict"), [("1", True), ("0", False), ("", False)])
def test_variable_decides_whether_a_service_has_to_answer(
    monkeypatch: pytest.MonkeyPatch, value: str, *, verdict: bool
) -> None:
    monkeypatch.setenv("CI_REQUIRE_ADVISORIES", value)
    asked: list[bool] = []

    def check(*, reports: Path, is_required: bool) -> Result:
        asked.append(is_required)
        return Result(Verdict.OK, str(reports))

    monkeypatch.setattr(advisories, "check", check)
    command.check_advisories()
    assert asked == [verdict]


def test_faults_are_counted_and_named() -> None:
    assert judge(["a", "b"], good="fine") == Result(Verdict.FAILED, "2 to mend", ("a", "b"))
    assert judge([], good="fine") == Result(Verdict.OK, "fine")
