"""Asking everything that the product needs whether it answers, within a time limit and not more often than needed.

Lookout   what /readyz asks; keeps its report for a second, and one look is under way at a time
└── Line  questions that are asked one after the other in a thread of their own
    └── Question  returns a Finding; whatever it raises means "not ok"
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

LIMIT_SECONDS = 2.0
KEPT_SECONDS = 1.0

_logger = logging.getLogger("personalq.readiness")


@dataclass(frozen=True)
class Finding:
    """What a question found out; the facts are JSON, for operators."""

    is_ok: bool
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Check:
    """A finding with the name of its question."""

    name: str
    is_ok: bool
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Report:
    """Everything that one look found out."""

    checks: tuple[Check, ...]

    @property
    def is_ready(self) -> bool:
        return all(check.is_ok for check in self.checks)

    @property
    def missing(self) -> list[str]:
        return [check.name for check in self.checks if not check.is_ok]


Question = Callable[[], Finding]


class Line:
    """Questions that share a connection and so are asked in turn. There is never more than one thread for them.

    Args:
        questions: Name → question. Each should give up by itself soon after `LIMIT_SECONDS`.
        clean_up: Called in the same thread when all were asked.
    """

    def __init__(self, questions: Mapping[str, Question], clean_up: Callable[[], None] = lambda: None) -> None:
        self._questions = questions
        self._clean_up = clean_up
        self._answers: dict[str, Finding] = {}
        self._thread: threading.Thread | None = None
        self._is_left_over = False

    @property
    def names(self) -> list[str]:
        return list(self._questions)

    def begin(self) -> None:
        """Start asking, unless what was asked earlier still hangs."""
        self._is_left_over = self._thread is not None and self._thread.is_alive()
        if not self._is_left_over:
            self._answers = {}
            # A daemon: a server that never answers must not keep this process from ending.
            self._thread = threading.Thread(target=self._ask_all, args=(self._answers,), name="readiness", daemon=True)
            self._thread.start()

    def collect(self, until: float) -> Iterable[Check]:
        """What was answered until a moment of the monotonic clock."""
        if self._thread is not None:
            self._thread.join(max(0.0, until - time.monotonic()))
        answers = {} if self._is_left_over else dict(self._answers)
        for name in self._questions:
            finding = answers.get(name, Finding(is_ok=False, facts={"error": "no answer in time"}))
            yield Check(name, finding.is_ok, finding.facts)

    def _ask_all(self, answers: dict[str, Finding]) -> None:
        try:
            for name, question in self._questions.items():
                answers[name] = _ask(question)
        finally:
            self._clean_up()


def _ask(question: Question) -> Finding:
    try:
        return question()
    except Exception as error:  # noqa: BLE001 - whatever a client throws, its server is not ready
        # Its text may name addresses and accounts.
        return Finding(is_ok=False, facts={"error": type(error).__name__})


class Lookout:
    """Asks all lines at once. Callers that come while a look is under way share its report."""

    def __init__(
        self, lines: Iterable[Line], *, limit_seconds: float = LIMIT_SECONDS, kept_seconds: float = KEPT_SECONDS
    ) -> None:
        self._lines = tuple(lines)
        self._limit_seconds = limit_seconds
        self._kept_seconds = kept_seconds
        self._guard = threading.Lock()
        self._report = Report(())
        self._keep_until = 0.0

    @property
    def names(self) -> list[str]:
        """Of all questions, in the order of the report."""
        return [name for line in self._lines for name in line.names]

    def report(self) -> Report:
        """The newest report, at most `kept_seconds` old. Blocks for `limit_seconds` at most; never fails."""
        with self._guard:
            if time.monotonic() >= self._keep_until:
                self._look()
            return self._report

    def forget(self) -> None:
        """Look anew the next time."""
        with self._guard:
            self._keep_until = 0.0

    def _look(self) -> None:
        until = time.monotonic() + self._limit_seconds
        for line in self._lines:
            line.begin()
        before, self._report = (
            self._report,
            Report(tuple(check for line in self._lines for check in line.collect(until))),
        )
        self._keep_until = time.monotonic() + self._kept_seconds
        _tell_change(before, self._report)


def _tell_change(before: Report, after: Report) -> None:
    if after.missing and after.missing != before.missing:
        _logger.warning("Not ready: %s", ", ".join(after.missing))
    elif before.missing and not after.missing:
        _logger.warning("Ready again")
