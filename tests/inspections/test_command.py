"""`manage.py security_audit`: what it prints, and with which status it ends."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from personalq.lib import inspection
from personalq.lib.inspection import Inspection, Result, Scene, bad, fine, noted

pytestmark = pytest.mark.security

LONG = "https://a-very-long-name-that-cannot-be-broken-anywhere.example.org/with/a/path/that/goes/on/and/on"


def made(name: str, result: Result) -> Inspection:
    return Inspection(
        id=name,
        grades=("low", "high"),
        looks_at="",
        advice="Do what is said here. " * 8,
        seconds=10,
        look=lambda _: result,
    )


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four findings of four grades in two groups."""
    all_of_them = [
        made("b.good", fine("Good.")),
        made("b.low", bad("low", f"Not so good. {LONG}")),
        made("a.worse", bad("high", "Bad.")),
        made("a.noted", noted("Worth knowing.")),
    ]
    monkeypatch.setattr(inspection, "inspections", lambda: all_of_them)


def ended(*arguments: str) -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("security_audit", "--url", "http://127.0.0.1:1", *arguments, stdout=out)
    except SystemExit as end:
        return int(str(end.code)), out.getvalue()
    return 0, out.getvalue()


@pytest.mark.parametrize(("grade", "status"), [("low", 1), ("medium", 1), ("high", 1), ("critical", 0)])
def test_it_fails_from_the_chosen_grade_on(grade: str, status: int) -> None:
    assert ended("--fail-at", grade)[0] == status


def test_high_is_the_grade_from_which_it_fails_by_default() -> None:
    assert ended() == (1, ended("--fail-at", "high")[1])
    assert ended("--only", "b")[0] == 0


def test_the_worst_stands_first_and_says_what_to_do() -> None:
    _, text = ended()
    assert text.index("HIGH") < text.index("a.worse") < text.index("LOW") < text.index("b.low") < text.index("INFO")
    assert text.count("Do: Do what is said here.") == 2
    assert "b: good" in text
    assert "FAILED: 1 as bad as high or worse." in text


def test_no_line_is_longer_than_80_columns() -> None:
    lines = [line for line in ended()[1].splitlines() if LONG[:30] not in line]
    assert max(map(len, lines)) <= 80


def test_programs_get_the_same_as_json() -> None:
    status, text = ended("--format", "json", "--fail-at", "critical")
    report: dict[str, Any] = json.loads(text)
    assert (status, report["failed"], report["counts"]["high"]) == (0, False, 1)
    assert [each["id"] for each in report["findings"]] == ["a.worse", "b.low", "a.noted", "b.good"]
    assert set(report["findings"][0]) == {"id", "grade", "sentence", "advice", "facts"}


def test_a_group_that_is_not_there_is_refused() -> None:
    with pytest.raises(CommandError, match=r"No group databse\. There are: a, b\."):
        call_command("security_audit", "--only", "databse")


def test_a_url_of_the_installation_is_known(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def look(scene: Scene) -> Result:
        seen.append(scene.url)
        return fine("")

    one = Inspection(id="a.b", grades=(), looks_at="", advice="", seconds=10, look=look)
    monkeypatch.setattr(inspection, "inspections", lambda: [one])
    settings.PERSONALQ_PUBLIC_URL = "https://queue.example.org"
    call_command("security_audit", stdout=StringIO())
    settings.PERSONALQ_PUBLIC_URL, settings.PERSONALQ_PORT = "", 8123
    call_command("security_audit", stdout=StringIO())
    assert seen == ["https://queue.example.org", "http://127.0.0.1:8123"]
