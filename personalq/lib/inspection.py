"""Inspections of a running installation: how they are registered, what they find and how they are run.

    @inspection("settings.debug", "critical", looks_at="…", advice="Unset DEBUG.")
    def debug(scene: Scene) -> Result:
        return bad("critical", "DEBUG is on.") if settings.DEBUG else fine("DEBUG is off.")

Each app registers its own in `inspections`, when it is ready; `manage.py security_audit` runs them. One that breaks, or
takes too long, is itself a finding: what could not be looked at is never called good.
"""

import queue
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, get_args

from django.db import connections

from personalq.lib.redaction import redact

Grade = Literal["ok", "info", "low", "medium", "high", "critical"]
GRADES: Final[tuple[Grade, ...]] = get_args(Grade)
"""From the best to the worst."""
UNKNOWN: Final[Grade] = "medium"
"""What an inspection is graded that could not look: not reachable, not allowed to see."""
BROKEN: Final[Grade] = "high"
"""What an inspection is graded that broke or took too long."""
SECONDS: Final = 60.0
LONGEST_TEXT: Final = 2000
MOST_NAMED: Final = 10


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What a run looks at besides settings, database and Redis.

    Attributes:
        url: Origin of the live installation, without a slash at its end; empty: it is not looked at.
        advisories: A report of pip-audit in JSON.
        advisory_service: Origin of a service that speaks the OSV API; empty: none is asked.
    """

    url: str = ""
    advisories: Path | None = None
    advisory_service: str = ""


@dataclass(frozen=True)
class Result:
    """What an inspection says."""

    grade: Grade
    sentence: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    advice: str = ""
    """What to do instead of what the inspection advises."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A result together with whose it is and what to do about it."""

    id: str
    grade: Grade
    sentence: str
    advice: str
    facts: Mapping[str, Any]

    @property
    def group(self) -> str:
        """The part of the id before its dot."""
        return self.id.partition(".")[0]

    def is_at_least(self, grade: Grade) -> bool:
        return GRADES.index(self.grade) >= GRADES.index(grade)


Look = Callable[[Scene], Result]


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """One registered inspection. `grades` are those that it may give besides ok and info."""

    id: str
    grades: tuple[Grade, ...]
    looks_at: str
    advice: str
    seconds: float
    look: Look = field(repr=False)

    @property
    def group(self) -> str:
        return self.id.partition(".")[0]


_registry: Final[dict[str, Inspection]] = {}


def inspection(
    name: str, *grades: Grade, looks_at: str, advice: str, seconds: float = SECONDS
) -> Callable[[Look], Look]:
    """Register a function as the inspection `name`, which is `group.subject`.

    Raises ValueError when another function has the name.
    """

    def register(look: Look) -> Look:
        if name in _registry:
            raise ValueError(f"There are two inspections {name}.")
        _registry[name] = Inspection(
            id=name, grades=grades, looks_at=looks_at, advice=advice, seconds=seconds, look=look
        )
        return look

    return register


def inspections() -> list[Inspection]:
    """All that are registered, by their ids."""
    return [_registry[name] for name in sorted(_registry)]


def groups() -> list[str]:
    return sorted({each.group for each in inspections()})


def fine(sentence: str, **facts: Any) -> Result:
    """Looked at, and good."""
    return Result("ok", sentence, facts)


def noted(sentence: str, **facts: Any) -> Result:
    """Nothing wrong, but worth knowing."""
    return Result("info", sentence, facts)


def bad(grade: Grade, sentence: str, **facts: Any) -> Result:
    """Something to change."""
    return Result(grade, sentence, facts)


def unknown(sentence: str, *, advice: str) -> Result:
    """It could not be looked at, which is not the same as good; `advice` is how to make that possible."""
    return Result(UNKNOWN, f"Not checked: {sentence}", advice=advice)


def worst(results: Collection[Result], otherwise: Result) -> Result:
    """The worst of several results, with the sentences of all that are as bad or nearly; `otherwise` without any."""
    if not results:
        return otherwise
    ordered = sorted(results, key=lambda each: GRADES.index(each.grade), reverse=True)
    facts = {key: value for each in ordered for key, value in each.facts.items()}
    return Result(ordered[0].grade, " ".join(each.sentence for each in ordered), facts)


def name_some(names: Collection[str]) -> str:
    """The first few of many names, and how many more there are."""
    shown = sorted(names)[:MOST_NAMED]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def run(scene: Scene, *, only: Collection[str] = ()) -> Iterator[Finding]:
    """Each inspection's finding, of all groups or `only` some, in the order of their ids."""
    for each in inspections():
        if not only or each.group in only:
            yield inspect(each, scene)


def inspect(each: Inspection, scene: Scene) -> Finding:
    """Run one inspection in a thread of its own, which is left behind when its time is over."""
    begun, answers = time.monotonic(), queue.SimpleQueue[Result]()
    threading.Thread(target=_look, args=(each, scene, answers), name=f"inspection {each.id}", daemon=True).start()
    try:
        result = answers.get(timeout=each.seconds)
    except queue.Empty:
        result = _broken(f"This inspection did not end within {each.seconds:g} seconds.")
    return _as_finding(each, result, seconds=round(time.monotonic() - begun, 2))


def _look(each: Inspection, scene: Scene, answers: "queue.SimpleQueue[Result]") -> None:
    try:
        answers.put(each.look(scene))
    except Exception as error:  # noqa: BLE001 - whatever it is, the others go on and this one is told
        # The kind alone: an error's text may hold what was looked at.
        answers.put(_broken(f"This inspection broke: {type(error).__name__}."))
    finally:
        connections.close_all()


def _broken(sentence: str) -> Result:
    advice = "Run the command again; if it stays so, see that PostgreSQL and Redis answer, and report it as a mistake."
    return Result(BROKEN, sentence, advice=advice)


def _as_finding(each: Inspection, result: Result, *, seconds: float) -> Finding:
    is_good = result.grade in {"ok", "info"}
    return Finding(
        id=each.id,
        grade=result.grade,
        sentence=_printable(result.sentence),
        advice="" if is_good else result.advice or each.advice,
        facts={**{key: _harmless(value) for key, value in result.facts.items()}, "seconds": seconds},
    )


def _harmless(value: Any) -> Any:
    if isinstance(value, str):
        return _printable(value)
    if isinstance(value, Mapping):
        return {_printable(str(key)): _harmless(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_harmless(inner) for inner in value]
    return value if value is None or isinstance(value, int | float) else _printable(str(value))


def _printable(text: str) -> str:
    # Names in it were chosen by people, and the report is read on terminals.
    shown = "".join(letter if letter.isprintable() else "?" for letter in redact(text))
    return shown if len(shown) <= LONGEST_TEXT else f"{shown[:LONGEST_TEXT]} …"
