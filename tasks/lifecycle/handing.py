"""What the task operator does with rows that have no agent: give them one, take them back, put them behind."""

from datetime import timedelta
from typing import Any, Final

from django.db import connection, transaction

from accounts.models import User
from personalq.lib.errors import Conflict
from tasks import dispatch, events
from tasks.clock import database_now
from tasks.lifecycle import approvals, endings, incoming, rows
from tasks.models import Agent, Queue, Task
from tasks.states import Status

CLEARED: Final = "task_operator_cleared"
"""Why a task stands behind the others: an operator has freed the task operator from it."""
SWITCHED: Final = "task_operator_changed"
"""Why a task has no agent any more: the task operator was turned off or uses another agent."""


class WorkHandedOver(Conflict):
    """An outside runner has the work, and nobody here can take it back."""

    code = "work_handed_over"
    title = "An outside runner carries the task out."
    advice = "It cannot be stopped from here. Wait for its report, or cancel the task to go on without it."


@transaction.atomic
def hand_out(*, task: Task, agent: Agent, queue: Queue, trusts_prompts: bool) -> Task | None:
    """Give a ready task of nobody to an agent and its owner, with the limits and gates of a task that comes in.

    With `trusts_prompts` its prompt is an instruction, otherwise text from outside; either way the agent's policy looks
    at it. The task comes back ready, backlogged until somebody approves it, or cancelled when the policy refuses it;
    None when it or the agent changed at this moment. The caller holds the lock of handing out.
    """
    try:
        found = incoming.assess(agent, prompt=task.prompt, document=task.untrusted_text, trusted=task.trusted)
    except incoming.UntrustedTextRefused as refused:
        return _refuse(task, refused)
    current = _lock_as_read(task)
    if current is None or not _keep_from_deletion(agent):
        return None
    current.owner, current.agent, current.queue = agent.owner, agent, queue
    current.trusted, current.suspicion = task.trusted or trusts_prompts, found
    current.max_attempts = agent.max_attempts
    current.handed_out_at = database_now()
    current.start_by_at = rows.latest_start(agent, current.not_before_at)
    _save(current, "trusted", "suspicion", "max_attempts")
    events.record(current, events.HANDED_OUT, agent=agent.name, queue=queue.name)
    approvals.note_suspected(current, None)
    if not approvals.hold(current):
        dispatch.nudge_after_commit(queue.pk)
    return current


@transaction.atomic
def take_back(*, task: Task, reason: str, actor: User | None = None, pause_seconds: int = 0) -> Task | None:
    """Make a ready task that was handed out one without an agent again; None when it is not ready any more.

    Its attempts stay counted, and a time before which it must not run still holds.
    """
    current = rows.lock(task)
    return _take_back_row(current, reason, actor, pause_seconds) if _is_in_line(current) else None


@transaction.atomic
def put_behind(*, actor: User, task: Task, pause_seconds: int) -> Task | None:
    """Stop the attempt of a task that was handed out and let others go before it; it does not count.

    Raises WorkHandedOver, changing nothing. One that is ready is taken back. None when it is neither any more.
    """
    current = rows.lock(task)
    if _is_in_line(current):
        return _take_back_row(current, CLEARED, actor, pause_seconds)
    if current.handed_out_at is None or current.state != Status.RUNNING:
        return None
    if current.parked_at is not None or endings.is_handed_over(current):
        raise WorkHandedOver
    current.free_attempts += 1
    rows.make_ready(current, not_before_at=_after(pause_seconds))
    events.record(current, events.RETRIED, actor=actor, reason=CLEARED, **_when(current))
    dispatch.stop_after_commit(task_id=current.pk, attempt=current.attempts)
    dispatch.nudge_after_commit(current.queue_id)
    return current


def _refuse(task: Task, refused: incoming.UntrustedTextRefused) -> Task | None:
    current = _lock_as_read(task)
    if current is not None:
        endings.cancel_row(current, actor=None, reason=refused.title, code=refused.code)
    return current


def _lock_as_read(task: Task) -> Task | None:
    """The row, held, if it is still what was read; whoever holds it is not waited for."""
    free = Task.objects.unassigned().select_for_update(no_key=True, skip_locked=True)
    # Every change moves updatedat (a trigger sees to it), so also one that SQL makes while the text is looked at.
    unchanged = free.filter(pk=task.pk, updatedat=task.updatedat, recorded_status=Status.READY)
    return rows.without_long_texts(unchanged).first()


def _keep_from_deletion(agent: Agent) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM agents WHERE id = %s AND deleted_at IS NULL FOR KEY SHARE", [agent.pk])
        return bool(cursor.rowcount)


def _is_in_line(task: Task) -> bool:
    return task.handed_out_at is not None and task.state == Status.READY


def _take_back_row(task: Task, reason: str, actor: User | None, pause_seconds: int) -> Task:
    if pause_seconds:
        task.not_before_at = _after(pause_seconds)
    # While it still has its owner, who hears of it.
    events.record(task, events.TAKEN_BACK, actor=actor, reason=reason, **_when(task))
    task.owner = task.agent = None
    task.queue = Queue.objects.shared_default()
    task.handed_out_at = task.start_by_at = task.suspicion = None
    task.trusted = False
    _save(task, "trusted", "suspicion")
    return task


def _save(task: Task, *others: str) -> None:
    rows.save(task, task.state, "owner", "agent", "handed_out_at", *others)


def _after(seconds: int) -> Any:
    return database_now() + timedelta(seconds=seconds)


def _when(task: Task) -> dict[str, str]:
    return {} if task.not_before_at is None else {"not_before_at": rows.as_text(task.not_before_at)}
