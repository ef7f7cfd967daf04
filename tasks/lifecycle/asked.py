"""What owners and operators ask for."""

from django.db import transaction

from accounts.models import User
from personalq.lib.current_request import current_request_id
from personalq.lib.errors import IllegalTransition
from tasks import dispatch, events, states
from tasks.lifecycle import approvals, endings, keys, rows
from tasks.models import Queue, Task
from tasks.spending import budgets
from tasks.states import Status


@transaction.atomic
def cancel(*, actor: User | None, task: Task, reason: str = "") -> Task:
    """Stop a task for good. Repeating it changes nothing; losing the race for it raises IllegalTransition."""
    current = rows.lock(task)
    if current.state == Status.CANCELLED == task.state:
        return current
    rows.expect(current, "cancel")
    endings.cancel_row(current, actor=actor, reason=reason)
    return current


@transaction.atomic
def retry(*, actor: User, task: Task) -> Task:
    """Give a failed or cancelled task a fresh set of attempts; a time before which it must not run still holds.

    With a concurrency key it counts as coming in anew; raises ConcurrencyKeyTaken when it has to give way. Raises
    BudgetExhausted when nothing is left that it could spend.
    """
    if task.agent is not None:
        budgets.refuse_when_exhausted([task.agent])
    if task.owner_id is not None:
        keys.make_way(
            actor=actor,
            owner_id=task.owner_id,
            key=task.concurrency_key,
            policy=task.concurrency_policy,
            coming=task.pk,
        )
    current = rows.lock_for(task, "retry")
    current.free_attempts = current.attempts
    current.lost_attempts = current.held_attempts = 0
    current.request_id = current_request_id() or current.request_id
    rows.make_ready(current, not_before_at=current.not_before_at)
    events.record(current, events.RETRIED, actor=actor, reason="asked")
    if not approvals.hold(current):
        dispatch.nudge_after_commit(current.queue_id)
    return current


@transaction.atomic
def backlog(*, actor: User, task: Task) -> Task:
    """Put a ready task aside until it is released."""
    current = rows.lock_for(task, "backlog")
    return rows.change_status(current, Status.BACKLOGGED, events.BACKLOGGED, actor)


@transaction.atomic
def release(*, actor: User, task: Task) -> Task:
    """Let a backlogged task run; its agent's limit for waiting counts from now.

    If somebody has to approve it, that is asked now and it stays. Raises ApprovalPending when it was asked before.
    """
    current = rows.lock_for(task, "release")
    if approvals.is_pending(current):
        raise approvals.ApprovalPending
    if not approvals.may_run(current):
        approvals.ask(current)
        return current
    current.start_by_at = rows.latest_start(current.agent, current.not_before_at) or current.start_by_at
    rows.change_status(current, Status.READY, events.RELEASED, actor)
    dispatch.nudge_after_commit(current.queue_id)
    return current


@transaction.atomic
def archive(*, actor: User, task: Task) -> Task:
    """Put a finished task out of sight; it remembers how it ended."""
    current = rows.lock_for(task, "archive")
    current.archived_from = current.status
    return rows.change_status(current, Status.ARCHIVED, events.ARCHIVED, actor)


@transaction.atomic
def restore(*, actor: User, task: Task) -> Task:
    """Bring an archived task back to the status it had; raises ContentsRemoved when it would have to run again."""
    current = rows.lock_for(task, "restore")
    last = Status(current.archived_from if current.archived_from is not None else Status.COMPLETE)
    current.archived_from = None
    if last not in states.FINISHED:
        rows.expect_contents(current)
        current.finished_at = None
    rows.change_status(current, last, events.RESTORED, actor)
    if last == Status.READY:
        approvals.hold(current)
    dispatch.nudge_after_commit(current.queue_id)
    return current


@transaction.atomic
def edit(
    *,
    actor: User,
    task: Task,
    title: str | None = None,
    prompt: str | None = None,
    order: int | None = None,
) -> Task:
    """Change what a task says or where it stands in line; None leaves a field as it is.

    Raises IllegalTransition also for the prompt of a complete task, which later ones of its conversation repeat.
    """
    current = rows.lock_for(task, "edit")
    wanted = {"title": title, "prompt": prompt, "order": order}
    changed = {name: value for name, value in wanted.items() if value is not None and value != getattr(current, name)}
    if not changed:
        return current
    if "prompt" in changed and current.state == Status.COMPLETE:
        # Nobody would look at it again: neither the detector nor whoever approves.
        raise IllegalTransition("The prompt of a complete task has been answered. Create a new task.")
    for name, value in changed.items():
        setattr(current, name, value)
    rows.save(current, current.state, *changed)
    events.record(current, events.EDITED, actor=actor, changed=sorted(changed))
    if "prompt" in changed:
        _look_again(current, actor)
    return current


def _look_again(task: Task, actor: User) -> None:
    """A changed prompt is assessed and approved anew."""
    if not task.trusted and task.suspicion is not None:
        task.suspicion = approvals.suspicion_of(prompt=task.prompt, document=task.untrusted_text)
        task.save(update_fields=["suspicion"])
        approvals.note_suspected(task, actor)
    approvals.ask_anew(task, actor=actor)


@transaction.atomic
def move(*, actor: User, task: Task, queue: Queue) -> Task:
    """Put a task into another queue; moving it to where it is changes nothing."""
    current = rows.lock_for(task, "move")
    if current.queue_id == queue.pk:
        return current
    before = current.queue.name if current.queue else None
    current.queue = queue
    rows.save(current, current.state)
    events.record(current, events.MOVED, actor=actor, queue=queue.name, before=before)
    dispatch.nudge_after_commit(queue.pk)
    return current
