"""A task's history in words."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.utils.dateparse import parse_datetime

from realtime.words import bytes_in_words
from tasks import events, failures, lifecycle
from tasks.models import Task

MOST_EVENTS: Final = 100


@dataclass(frozen=True)
class Moment:
    """One line of the timeline."""

    kind: str
    words: str
    details: str
    until: datetime | None
    at: datetime


@dataclass(frozen=True)
class Timeline:
    moments: list[Moment]
    is_cut: bool


def timeline_of(task: Task) -> Timeline:
    """What happened to a task, newest first, without its output."""
    rows = task.events.exclude(kind=events.OUTPUT).order_by("-id")
    found = list(rows[: MOST_EVENTS + 1])
    return Timeline(
        moments=[
            Moment(
                kind=row.kind,
                words=_words(row.kind, row.attempt, row.data),
                details=_details(row.kind, row.data),
                until=_until(row.data),
                at=row.at,
            )
            for row in found[:MOST_EVENTS]
        ],
        is_cut=len(found) > MOST_EVENTS,
    )


_WORDS: Final[dict[str, str]] = {
    events.CREATED: "Created",
    events.COMPLETED: "Completed",
    events.FAILED: "Failed",
    events.CANCELLED: "Cancelled",
    events.BACKLOGGED: "Put into the backlog",
    events.RELEASED: "Released from the backlog",
    events.ARCHIVED: "Archived",
    events.RESTORED: "Restored",
    events.EDITED: "Edited",
    events.HELD: "Held back",
    events.ADOPTED: "Changed from outside",
    events.PARKED: "Handed to an outside runner",
    events.ARTIFACT: "Left a file",
    events.APPROVAL_REQUESTED: "Approval asked for",
    events.APPROVED: "Approved",
    events.DENIED: "Denied",
    events.BUDGET_WARNING: "A budget runs low",
    events.ALARM: "Alarm",
    events.HANDED_OUT: "Handed out by the task operator",
    events.TAKEN_BACK: "Taken back by the task operator",
    events.PRUNED: "Texts and files removed, their time being over",
}
_RETRY_REASONS: Final = {"asked": "Queued again"}
_PLAIN_REASONS: Final = {
    "expired": "nobody answered in time",
    "canary_leaked": "Its output gives away its secret instructions.",
    lifecycle.SWITCHED: "it was turned off, or another agent was chosen",
    lifecycle.CLEARED: "others go first",
}
# What is told as a sentence already.
_CODED: Final = frozenset({events.APPROVAL_REQUESTED})


def _words(kind: str, attempt: int, data: dict[str, Any]) -> str:
    if kind == events.STARTED:
        return f"Attempt {attempt} started"
    if kind == events.MOVED:
        return f"Moved from queue {data.get('before') or 'none'} to {data.get('queue')}"
    if kind == events.RETRIED:
        return _RETRY_REASONS.get(str(data.get("reason")), "Back in the queue")
    return _WORDS.get(kind, kind.removeprefix("task_").replace("_", " ").capitalize())


def _details(kind: str, data: dict[str, Any]) -> str:
    """What a person may want to know of an event's data; anything else stays out."""
    silent = {"reason"} if kind in _CODED else set()
    told = (tell(data[name]) for name, tell in _TOLD.items() if name in data and name not in silent)
    # An attempt that is tried again names its failure twice: by the sentence and by the code.
    return " · ".join(dict.fromkeys(words for words in told if words))


def _until(data: dict[str, Any]) -> datetime | None:
    """Until when a hold, or the pause before another try, lasts."""
    told = data.get("until", data.get("not_before_at"))
    return parse_datetime(told) if isinstance(told, str) else None


def _reason(reason: Any) -> str:
    if reason in failures.FAILURES:
        return failures.sentence_for(reason)
    if reason in _PLAIN_REASONS:
        return _PLAIN_REASONS[reason]
    return "" if reason in _RETRY_REASONS else str(reason).replace("_", " ")


def _amount_of(noun: str) -> Callable[[Any], str]:
    return lambda amount: f"{amount:,} {noun}" if isinstance(amount, int) else ""


_TOLD: Final[dict[str, Callable[[Any], str]]] = {
    "by": lambda name: f"by {name}",
    "agent": lambda name: f"agent {name}",
    "sentence": str,
    "comment": lambda comment: f"“{comment}”",
    "name": str,
    "size": lambda size: bytes_in_words(size) if isinstance(size, int) else "",
    "error": str,
    "reason": _reason,
    "exit_code": lambda code: f"exit code {code}",
    "words": _amount_of("words"),
    "length": _amount_of("characters"),
    "changed": lambda names: ", ".join(str(name) for name in names),
}
