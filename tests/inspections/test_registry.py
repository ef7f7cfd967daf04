"""How inspections are registered and run, whatever they look at."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from personalq.lib import inspection
from personalq.lib.inspection import Finding, Inspection, Scene, bad, fine, inspect, unknown
from personalq.lib.redaction import knows

pytestmark = pytest.mark.security

PLANTED = "planted-secret-0123456789abcdef"


def made(look: Any, *, seconds: float = 10) -> Inspection:
    return Inspection(id="group.subject", grades=("low",), looks_at="", advice="Do it.", seconds=seconds, look=look)


def found(look: Any, **options: Any) -> Finding:
    return inspect(made(look, **options), Scene())


def test_what_is_good_needs_no_advice() -> None:
    finding = found(lambda _: fine("Good."))
    assert (finding.grade, finding.sentence, finding.advice) == ("ok", "Good.", "")


def test_what_is_bad_says_what_to_do() -> None:
    finding = found(lambda _: bad("low", "Not good."))
    assert (finding.grade, finding.advice) == ("low", "Do it.")


def test_an_inspection_that_breaks_is_a_finding_and_tells_no_secret() -> None:
    def breaks(_: Scene) -> Any:
        raise RuntimeError(PLANTED)

    finding = found(breaks)
    assert finding.grade == "high"
    assert finding.sentence == "This inspection broke: RuntimeError."
    assert "Run the command again" in finding.advice
    assert PLANTED not in repr(finding)


def test_an_inspection_that_does_not_end_is_a_finding() -> None:
    ended = threading.Event()
    try:
        finding = found(lambda _: ended.wait() and fine(""), seconds=0.05)
    finally:
        ended.set()
    assert (finding.grade, finding.sentence) == ("high", "This inspection did not end within 0.05 seconds.")


def test_secrets_of_the_installation_and_control_characters_do_not_get_into_findings() -> None:
    def looks(_: Scene) -> Any:
        with knows(PLANTED):
            return bad("low", f"A name: \x1b[31m{PLANTED}", inner={"a": [PLANTED, "\x07"]})

    with knows(PLANTED):
        finding = inspection._as_finding(made(looks), looks(Scene()), seconds=0)
    assert PLANTED not in repr(finding)
    assert "\x1b" not in finding.sentence
    assert finding.facts["inner"]["a"][1] == "?"


def test_what_could_not_be_looked_at_says_how_it_can_be() -> None:
    finding = found(lambda _: unknown("nobody answers.", advice="Start it."))
    assert (finding.grade, finding.sentence, finding.advice) == ("medium", "Not checked: nobody answers.", "Start it.")


def test_two_inspections_cannot_have_one_name() -> None:
    with pytest.raises(ValueError, match="two inspections"):
        inspection.inspection("settings.debug", looks_at="", advice="")(lambda _: fine(""))


def test_only_the_groups_that_are_asked_for_are_run(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = {"a.x": made(lambda _: fine("")), "b.y": made(lambda _: fine(""))}
    monkeypatch.setattr(inspection, "inspections", lambda: iter(registry.values()))
    assert len(list(inspection.run(Scene(), only=["group"]))) == 2
    assert list(inspection.run(Scene(), only=["other"])) == []


def everything() -> Iterator[Inspection]:
    yield from inspection.inspections()


def test_every_inspection_that_can_find_something_says_what_to_do() -> None:
    assert [each.id for each in everything() if each.grades and not each.advice] == []
    assert [each.id for each in everything() if not each.looks_at] == []


def test_every_inspection_has_a_test_that_asks_it() -> None:
    """Deleted, an inspection makes its test fail: `look` finds it by its id."""
    asked = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    assert [each.id for each in everything() if f'"{each.id}"' not in asked] == []
