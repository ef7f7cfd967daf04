"""What became of each attempt of a task, and who cancelled it: read from the history, the only place that tells."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from django.db.models import IntegerField, Max, Q
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Length

from tasks import events, failures
from tasks.failures import FailureClass
from tasks.models import Task, TaskEvent
from tasks.states import Status

MOST_ATTEMPTS: Final = 100
_ENDS: Final = (events.COMPLETED, events.FAILED, events.CANCELLED, events.RETRIED, events.HELD, events.ADOPTED)


class Outcome(StrEnum):
    """How an attempt ended."""

    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"
    """The task failed with it."""
    RETRIED = "retried"
    """It failed, and the task was tried again."""
    HELD = "held"
    """It met a provider's limit."""
    CANCELLED = "cancelled"
    RETURNED = "returned"
    """It was stopped through no fault of its own and the task put back in line."""
    LOST = "lost"
    """Its worker vanished."""


_BY_KIND: Final = {
    events.COMPLETED: Outcome.COMPLETE,
    events.FAILED: Outcome.FAILED,
    events.CANCELLED: Outcome.CANCELLED,
    events.RETRIED: Outcome.RETRIED,
    events.HELD: Outcome.HELD,
}
_CODE_IN: Final = {events.FAILED: "error_code", events.RETRIED: "reason", events.HELD: "reason"}
# What SQL made of a running task; a restored one is cancelled then, too.
_BY_STATUS: Final = {
    Status.COMPLETE.word: Outcome.COMPLETE,
    Status.FAILED.word: Outcome.FAILED,
    Status.CANCELLED.word: Outcome.CANCELLED,
    Status.ARCHIVED.word: Outcome.CANCELLED,
}


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One attempt; `output_length` counts characters."""

    number: int
    started_at: datetime
    ended_at: datetime | None
    outcome: Outcome
    error_code: str | None
    worker: str | None
    output_length: int
    tokens_in: int | None
    tokens_out: int | None
    cost: Decimal | None

    @property
    def error(self) -> str | None:
        """The fixed sentence for the code."""
        return failures.sentence_for(self.error_code) if self.error_code else None


@dataclass(frozen=True, kw_only=True)
class Cancellation:
    """Who cancelled a task and why, as far as it was told."""

    by: str | None
    at: datetime | None
    reason: str | None


def attempts_of(task: Task) -> list[Attempt]:
    """The newest attempts of a task, at most `MOST_ATTEMPTS`, the latest first. Two queries, however many there are."""
    starts: dict[int, TaskEvent] = {}
    ends: dict[int, TaskEvent] = {}
    for event in sorted(_first_of_each_kind(task), key=lambda event: event.id):
        # Whatever comes after the first end happened to the task, not to this attempt any more.
        (starts if event.kind == events.STARTED else ends).setdefault(event.attempt, event)
    lengths = _output_lengths(task)
    return [_attempt(start, ends.get(number), lengths.get(number, 0)) for number, start in sorted(starts.items())[::-1]]


def cancellation_of(task: Task) -> Cancellation | None:
    """The last cancel of a task; None unless it is cancelled."""
    if task.state != Status.CANCELLED:
        return None
    outside = Q(kind=events.ADOPTED, data__status=Status.CANCELLED.word)
    event = task.events.filter(Q(kind=events.CANCELLED) | outside).order_by("-id").first()
    if event is None:
        return Cancellation(by=None, at=task.finished_at, reason=None)
    return Cancellation(by=event.data.get("by"), at=event.at, reason=event.data.get("reason"))


def _first_of_each_kind(task: Task) -> list[TaskEvent]:
    # The first of a kind only: a task may be cancelled and retried any number of times under one attempt number.
    rows = _shown(task).filter(kind__in=[events.STARTED, *_ENDS])
    return list(rows.order_by("attempt", "kind", "id").distinct("attempt", "kind"))


def _output_lengths(task: Task) -> dict[int, int]:
    # The last piece of each attempt tells how much came before it; the others stay unread.
    last = _shown(task).filter(kind=events.OUTPUT).order_by().values("attempt").annotate(last=Max("id"))
    rows = TaskEvent.objects.filter(pk__in=last.values("last")).values_list(
        "attempt", Cast(KT("data__offset"), IntegerField()), Length(KT("data__text"))
    )
    return {attempt: offset + length for attempt, offset, length in rows}


def _shown(task: Task) -> Any:
    return TaskEvent.objects.filter(task=task, attempt__gt=max(0, task.attempts - MOST_ATTEMPTS))


def _attempt(start: TaskEvent, end: TaskEvent | None, output_length: int) -> Attempt:
    facts: Mapping[str, Any] = end.data if end else {}
    return Attempt(
        number=start.attempt,
        started_at=start.at,
        ended_at=end.at if end else None,
        outcome=_outcome(end) if end else Outcome.RUNNING,
        error_code=_error_code(end) if end else None,
        worker=start.data.get("worker"),
        output_length=output_length,
        tokens_in=facts.get("tokens_in"),
        tokens_out=facts.get("tokens_out"),
        cost=Decimal(facts["cost"]) if "cost" in facts else None,
    )


def _outcome(end: TaskEvent) -> Outcome:
    if end.kind == events.ADOPTED:
        return _BY_STATUS.get(end.data["status"], Outcome.RETURNED)
    code = _error_code(end)
    if code is not None and failures.FAILURES[code].kind is FailureClass.LOST:
        return Outcome.LOST
    # Without a failure somebody stopped it: the worker that was stopped, or the operators' switch.
    return Outcome.RETURNED if end.kind == events.RETRIED and code is None else _BY_KIND[end.kind]


def _error_code(end: TaskEvent) -> str | None:
    """The failure behind an end; None when there was none."""
    if end.kind == events.ADOPTED:
        return "reported_failed" if end.data["status"] == Status.FAILED.word else None
    # The reason of a cancel is whatever somebody wrote.
    code = end.data.get(_CODE_IN[end.kind]) if end.kind in _CODE_IN else None
    return code if code in failures.FAILURES else None
