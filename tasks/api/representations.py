"""Tasks, agents and queues as clients see them.

Plain functions instead of serializers: a page of tasks costs a fifth of the time. `tasks.api.documents`
describes the same for the OpenAPI document, and tests hold the two together.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet
from django.db.models.functions import Left
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.reverse import reverse

from tasks import events, failures
from tasks.attempt_history import Attempt, cancellation_of
from tasks.holds import current_hold
from tasks.models import Agent, ApprovalState, Queue, Task
from tasks.states import Status, verbs_for
from tasks.waiting import why

SHOWN_PROMPT: Final = 500
_ALLOWED: Final = {
    (status, is_pruned): sorted(verbs_for(status, is_pruned=is_pruned))
    for status in Status
    for is_pruned in (False, True)
}
_TASK_COLUMNS: Final = (
    "uuid", "title", "status", "order", "agent__uuid", "agent__name", "agent__held_until_at", "queue__name", "source",
    "trusted", "origin", "suspicion", "has_alarm", "conversation__uuid", "schedule__uuid", "attempts", "free_attempts",
    "max_attempts", "not_before_at", "start_by_at", "concurrency_key", "concurrency_policy", "handed_out_at",
    "createdat", "updatedat", "started_at", "parked_at", "finished_at", "deadline_at", "dead_at", "pruned_at",
    "error_code", "tokens_in", "tokens_out", "cost", "owner__username",
)  # fmt: skip
_AGENT_LIMITS: Final = (
    "concurrency_limit", "timeout_seconds", "output_limit_bytes", "max_attempts", "retry_base_seconds",
    "retry_cap_seconds", "idle_timeout_seconds", "waiting_timeout_seconds",
)  # fmt: skip


def task_rows(tasks: QuerySet[Task]) -> QuerySet[Any, dict[str, Any]]:
    """What `task_row` needs, in one query that leaves long texts in the database."""
    # One character more than is shown tells whether there is more.
    cut = tasks.annotate(prompt_start=Left("prompt", SHOWN_PROMPT + 1))
    rows: QuerySet[Any, dict[str, Any]] = cut.values("id", "prompt_start", *_TASK_COLUMNS)
    return rows


def task_row(request: Request) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """A task in a list: without result and input, its prompt cut to 500 characters."""
    base = reverse("api-tasks", request=request)

    def represent(values: Mapping[str, Any]) -> dict[str, Any]:
        prompt = values["prompt_start"]
        return {
            **_task_summary(values, base),
            "prompt": prompt[:SHOWN_PROMPT],
            "prompt_truncated": len(prompt) > SHOWN_PROMPT,
        }

    return represent


def task_in_full(task: Task, request: Request, *, is_for_operator: bool) -> dict[str, Any]:
    """One task with everything that is known of it; operators also see the detail of an error."""
    values = {name: _follow(task, name) for name in _TASK_COLUMNS}
    return {
        **_task_summary(values, reverse("api-tasks", request=request)),
        "prompt": task.prompt,
        "input": task.input,
        "untrusted_text": task.untrusted_text,
        "suspicion": task.suspicion,
        "approval": _pending_approval(task),
        "result": task.result,
        "cancelled": _cancelled(task),
        **({"error_detail": task.error_detail} if is_for_operator else {}),
    }


def _pending_approval(task: Task) -> UUID | None:
    if task.state != Status.BACKLOGGED:
        return None
    return task.approvals.filter(state=ApprovalState.PENDING).values_list("uuid", flat=True).first()


def waiting_of(task: Task) -> dict[str, Any] | None:
    """Why a ready task does not run yet."""
    waiting = why(task)
    return None if waiting is None else asdict(waiting)


def attempt_row(task: Task, request: Request) -> Callable[[Attempt], dict[str, Any]]:
    """One attempt of a task."""
    route = reverse("api-task-events", args=[task.uuid], request=request)

    def represent(attempt: Attempt) -> dict[str, Any]:
        return {
            "attempt": attempt.number,
            "outcome": attempt.outcome.value,
            "started_at": attempt.started_at,
            "ended_at": attempt.ended_at,
            "error_code": attempt.error_code,
            "error": attempt.error,
            "worker": attempt.worker,
            "output_length": attempt.output_length,
            "output_url": f"{route}?attempt={attempt.number}&kind={events.OUTPUT}",
            "tokens_in": attempt.tokens_in,
            "tokens_out": attempt.tokens_out,
            "cost": _as_decimal(attempt.cost),
        }

    return represent


def agent_row(request: Request) -> Callable[[Agent], dict[str, Any]]:
    """An agent; the kind's own fields stand beside the common ones."""
    base = reverse("api-agents", request=request)

    def represent(agent: Agent) -> dict[str, Any]:
        common = {
            "uuid": agent.uuid,
            "name": agent.name,
            "kind": agent.kind,
            "description": agent.description,
            "queue": agent.queue.name,
            **{name: getattr(agent, name) for name in _AGENT_LIMITS},
            "credential": agent.credential.uuid if agent.credential else None,
            "credential_name": agent.credential.name if agent.credential else None,
            "untrusted_policy": agent.untrusted_policy,
            "needs_approval": agent.needs_approval,
            "is_paused": agent.is_paused,
            **_hold_of(agent),
            "owner": agent.owner.get_username(),
            "created_at": agent.created_at,
            "updated_at": agent.updated_at,
            "url": f"{base}/{agent.uuid}",
        }
        # The common ones come first, and no own field can stand in for one of them.
        return {**common, **agent.config, **common}

    return represent


def queue_row(request: Request) -> Callable[[Queue], dict[str, Any]]:
    """A queue; one without an owner is shared by everybody."""
    base = reverse("api-queues", request=request)

    def represent(queue: Queue) -> dict[str, Any]:
        return {
            "uuid": queue.uuid,
            "name": queue.name,
            "is_shared": queue.is_shared,
            "is_paused": queue.is_paused,
            "concurrency_limit": queue.concurrency_limit,
            "rate_limit": queue.rate_limit,
            "rate_period_seconds": queue.rate_period_seconds,
            "owner": queue.owner.get_username() if queue.owner else None,
            "created_at": queue.created_at,
            "updated_at": queue.updated_at,
            "url": f"{base}/{queue.uuid}",
        }

    return represent


def _task_summary(values: Mapping[str, Any], base: str) -> dict[str, Any]:
    status = Status(values["status"])
    code = values["error_code"]
    return {
        "uuid": values["uuid"],
        "title": values["title"],
        "status": status.word,
        "order": values["order"],
        "agent": values["agent__uuid"],
        "agent_name": values["agent__name"],
        "queue": values["queue__name"],
        "source": values["source"],
        "trusted": values["trusted"],
        "origin": values["origin"],
        "is_suspicious": bool((values["suspicion"] or {}).get("is_suspicious")),
        "has_alarm": values["has_alarm"],
        "conversation": values["conversation__uuid"],
        "schedule": values["schedule__uuid"],
        "attempts": values["attempts"],
        "attempts_counted": values["attempts"] - values["free_attempts"],
        "max_attempts": values["max_attempts"],
        "handed_out_at": values["handed_out_at"],
        "not_before_at": values["not_before_at"],
        "start_by_at": values["start_by_at"],
        "held_until_at": _held_until(status, values["agent__held_until_at"]),
        "concurrency_key": values["concurrency_key"] or None,
        "concurrency_policy": values["concurrency_policy"] or None,
        "created_at": values["createdat"],
        "updated_at": values["updatedat"],
        "started_at": values["started_at"],
        "parked_at": values["parked_at"],
        "finished_at": values["finished_at"],
        "deadline_at": values["deadline_at"],
        "pruned_at": values["pruned_at"],
        "is_dead": status is Status.FAILED and values["dead_at"] is not None,
        "error_code": code or None,
        "error": failures.sentence_for(code) if code else None,
        "tokens_in": values["tokens_in"],
        "tokens_out": values["tokens_out"],
        "cost": _as_decimal(values["cost"]),
        "owner": values["owner__username"],
        "allowed": _ALLOWED[status, values["pruned_at"] is not None],
        "url": f"{base}/{values['uuid']}",
    }


def _as_decimal(cost: Decimal | None) -> str | None:
    # A JSON number would lose digits in most readers. Six of them, as tasks have in the database.
    return None if cost is None else f"{cost:.6f}"


def _held_until(status: Status, until: datetime | None) -> datetime | None:
    is_waiting_for_it = status is Status.READY and until is not None and until > timezone.now()
    return until if is_waiting_for_it else None


def _hold_of(agent: Agent) -> dict[str, Any]:
    hold = current_hold(until=agent.held_until_at, code=agent.held_code, now=timezone.now())
    return {
        "held_until_at": hold.until if hold else None,
        "held_reason": hold.code if hold else None,
        "held": hold.sentence if hold else None,
    }


def _cancelled(task: Task) -> dict[str, Any] | None:
    cancellation = cancellation_of(task)
    return None if cancellation is None else asdict(cancellation)


def _follow(thing: Any, path: str) -> Any:
    for name in path.split("__"):
        thing = getattr(thing, name, None)
    return thing
