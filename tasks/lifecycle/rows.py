"""Locking, checking and writing the row of a task: what every verb is made of."""

from datetime import UTC, datetime, timedelta
from typing import Final

from django.db.models.functions import Now

from accounts.models import User
from personalq.lib.errors import Conflict, IllegalTransition
from tasks import dispatch, events, states
from tasks.claims import Claim, ClaimLost
from tasks.clock import database_now
from tasks.lifecycle import spent
from tasks.models import Agent, Approval, ApprovalState, Queue, Task
from tasks.models.task import TaskQuerySet
from tasks.states import Status

_END_OF_TIME: Final = datetime(9999, 12, 31, tzinfo=UTC)
# Long texts stay in the database: reading and writing them again would cost more than the change itself.
_LONG: Final = ("prompt", "untrusted_text", "input", "result", "error_detail")
_STATE: Final = (
    "status", "recorded_status", "archived_from", "queue",
    "free_attempts", "lost_attempts", "held_attempts",
    "not_before_at", "start_by_at", "lease_expires_at", "deadline_at", "parked_at", "finished_at", "dead_at",
    "error_code", "tokens_in", "tokens_out", "cost", "request_id",
)  # fmt: skip


class ContentsRemoved(Conflict):
    """What the verb needs is gone: the time for which contents are kept is over."""

    code = "contents_removed"
    title = "The contents of this task have been removed."
    advice = "They are kept for a time after a task has ended. Create a new task with its own prompt."


def without_long_texts(tasks: TaskQuerySet) -> TaskQuerySet:
    """The same tasks; a long text is read only when it is asked for."""
    return tasks.defer(*_LONG)


def lock(task: Task) -> Task:
    """The row as it is now, held until the transaction ends."""
    current = without_long_texts(Task.objects.select_for_update(no_key=True)).get(pk=task.pk)
    return current if current.recorded_status == current.status else adopt_row(current)


def expect(task: Task, verb: str) -> None:
    """Raises IllegalTransition."""
    if not states.may(verb, task.state):
        raise IllegalTransition(f"A task that is {task.state.word} cannot take '{verb}'.")


def lock_for(task: Task, verb: str) -> Task:
    """The locked row; raises IllegalTransition when its status does not allow the verb, or ContentsRemoved."""
    current = lock(task)
    expect(current, verb)
    if verb in states.NEEDS_CONTENTS:
        expect_contents(current)
    return current


def expect_contents(task: Task) -> None:
    """Raises ContentsRemoved."""
    if task.pruned_at is not None:
        raise ContentsRemoved


def lock_claimed(claim: Claim) -> Task:
    """The locked row of a worker's attempt; raises ClaimLost when the attempt is over."""
    task = without_long_texts(Task.objects.select_for_update(no_key=True)).get(pk=claim.task_id)
    if task.state != Status.RUNNING or task.attempts != claim.attempt:
        raise ClaimLost(f"attempt {claim.attempt} of task {claim.task_id} is over")
    return task


def save(task: Task, status: Status, *texts: str) -> None:
    """Write what verbs change: the state, and those of the texts that are named."""
    task.status = task.recorded_status = status
    task.save(update_fields=(*_STATE, *texts))
    if task.handed_out_at is not None or (task.agent_id is None and status == Status.READY):
        # The task operator has its next turn, or something new to hand out.
        dispatch.hand_out_after_commit()


def finish(task: Task, status: Status, *texts: str) -> None:
    """End a task; what its attempt has spent is counted."""
    spent.settle(task)
    task.lease_expires_at = task.deadline_at = task.parked_at = task.start_by_at = None
    task.finished_at = database_now()
    save(task, status, *texts)


def make_ready(task: Task, *, not_before_at: datetime | None, held_until_at: datetime | None = None) -> None:
    """Put a task back in line as if it had never run; its attempts stay counted."""
    spent.settle(task)
    task.not_before_at = not_before_at
    task.start_by_at = latest_start(task.agent, held_until_at or not_before_at)
    task.lease_expires_at = task.finished_at = task.deadline_at = task.parked_at = task.dead_at = None
    task.result = None
    task.error_code = task.error_detail = ""
    save(task, Status.READY, "result", "error_detail")


def latest_start(agent: Agent | None, due_at: datetime | None) -> datetime | None:
    """Until when a task of the agent may wait for its start once it is due; None for ever."""
    if agent is None or agent.waiting_timeout_seconds is None:
        return None
    now = database_now()
    wait = timedelta(seconds=agent.waiting_timeout_seconds)
    # The end of the calendar is as good as for ever.
    return min(max(due_at or now, now), _END_OF_TIME - wait) + wait


def change_status(task: Task, status: Status, kind: str, actor: User) -> Task:
    save(task, status)
    events.record(task, kind, actor=actor, status=status.word)
    return task


def adopt_row(task: Task) -> Task:
    """Give a locked row what SQL did not write: its queue and its event."""
    if task.queue_id is None:
        task.queue = Queue.objects.shared_default()
    before = None if task.recorded_status is None else Status(task.recorded_status).word
    save(task, task.state)
    if before is None:
        events.record(task, events.CREATED, status=task.state.word, title=task.title, source=task.source)
    else:
        events.record(task, events.ADOPTED, status=task.state.word, before=before)
    if task.state != Status.BACKLOGGED:
        withdraw_approvals(task)
    dispatch.nudge_after_commit(task.queue_id)
    return task


def withdraw_approvals(task: Task) -> None:
    """Let go of the question about a locked task that nobody has answered."""
    pending = Approval.objects.filter(task=task, state=ApprovalState.PENDING)
    pending.update(state=ApprovalState.WITHDRAWN, decided_at=Now())


def as_text(at: datetime) -> str:
    """A time as it stands in event data."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
