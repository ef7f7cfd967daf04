"""Every state change of a task, one verb each.

A verb is one transaction: lock the row, check the status it expects (and, for a worker, the attempt), change the
row, write the event. Whatever leaves the database happens after the commit; the sweep repeats what got lost.
Locks are taken in the order queue, task, agent.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import User
from personalq.lib.errors import IllegalTransition, NotFound
from personalq.lib.redaction import redact
from tasks import backoff, dispatch, events, failures, selection, states
from tasks.claims import Claim, ClaimLost, Usage
from tasks.models import Agent, Queue, Task
from tasks.models.task import Source
from tasks.states import Status

# --- What owners and operators ask for -------------------------------------------------------


@transaction.atomic
def submit(
    *,
    actor: User,
    agent: Agent,
    prompt: str,
    source: str = Source.API,
    queue: Queue | None = None,
    title: str = "",
    order: int = 0,
    input: Any = None,  # noqa: A002 - the column's and the API's own name
    not_before_at: datetime | None = None,
    is_backlogged: bool = False,
) -> Task:
    """Write a new task for `agent`; it is ready to run at once unless backlogged or not yet due.

    Raises NotFound when the agent was deleted meanwhile.
    """
    _keep_from_deletion(agent)
    status = Status.BACKLOGGED if is_backlogged else Status.READY
    task = Task.objects.create(
        owner_id=agent.owner_id,
        agent=agent,
        queue_id=queue.pk if queue else agent.queue_id,
        prompt=prompt,
        title=title,
        order=order,
        input=input,
        source=source,
        trusted=True,
        max_attempts=agent.max_attempts,
        not_before_at=not_before_at,
        status=status,
        recorded_status=status,
    )
    events.record(task, events.CREATED, actor=actor, status=status.word, title=title)
    dispatch.nudge_after_commit(task.queue_id)
    return task


@transaction.atomic
def cancel(*, actor: User | None, task: Task, reason: str = "") -> Task:
    """Stop a task for good. Repeating it changes nothing; losing the race for it raises IllegalTransition."""
    current = _lock(task)
    if current.state == Status.CANCELLED == task.state:
        return current
    _expect(current, "cancel")
    was_running = current.state == Status.RUNNING
    current.error_code = ""
    _finish(current, Status.CANCELLED)
    events.record(current, events.CANCELLED, actor=actor, **({"reason": reason} if reason else {}))
    if was_running:
        dispatch.stop_after_commit(task_id=current.pk, attempt=current.attempts)
        dispatch.nudge_after_commit(current.queue_id)
    return current


@transaction.atomic
def retry(*, actor: User, task: Task) -> Task:
    """Give a failed or cancelled task a fresh set of attempts; a time before which it must not run still holds."""
    current = _lock_for(task, "retry")
    current.free_attempts = current.attempts
    _make_ready(current, not_before_at=current.not_before_at)
    events.record(current, events.RETRIED, actor=actor, reason="asked")
    dispatch.nudge_after_commit(current.queue_id)
    return current


@transaction.atomic
def backlog(*, actor: User, task: Task) -> Task:
    """Put a ready task aside until it is released."""
    return _move(_lock_for(task, "backlog"), Status.BACKLOGGED, events.BACKLOGGED, actor)


@transaction.atomic
def release(*, actor: User, task: Task) -> Task:
    """Let a backlogged task run."""
    current = _move(_lock_for(task, "release"), Status.READY, events.RELEASED, actor)
    dispatch.nudge_after_commit(current.queue_id)
    return current


@transaction.atomic
def archive(*, actor: User, task: Task) -> Task:
    """Put a finished task out of sight; it remembers how it ended."""
    current = _lock_for(task, "archive")
    current.archived_from = current.status
    return _move(current, Status.ARCHIVED, events.ARCHIVED, actor)


@transaction.atomic
def restore(*, actor: User, task: Task) -> Task:
    """Bring an archived task back to the status it had."""
    current = _lock_for(task, "restore")
    last = Status(current.archived_from if current.archived_from is not None else Status.COMPLETE)
    current.archived_from = None
    if last not in states.FINISHED:
        current.finished_at = None
    _move(current, last, events.RESTORED, actor)
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
    """Change what a task says or where it stands in line; None leaves a field as it is."""
    current = _lock_for(task, "edit")
    wanted = {"title": title, "prompt": prompt, "order": order}
    changed = {name: value for name, value in wanted.items() if value is not None and value != getattr(current, name)}
    if not changed:
        return current
    for name, value in changed.items():
        setattr(current, name, value)
    _save(current, current.state)
    events.record(current, events.EDITED, actor=actor, changed=sorted(changed))
    return current


# --- What workers do -----------------------------------------------------------------------------


@transaction.atomic
def claim(*, queue_id: int, worker: str) -> Task | None:
    """Take the queue's next ready task within its and its agent's limits; None when there is none to take.

    The returned task carries its agent; `Claim.of(task)` is the right to write about this attempt.
    """
    # One claim of a queue at a time: whoever waits here counts what the one before has taken.
    queue = Queue.objects.select_for_update(no_key=True).filter(pk=queue_id).first()
    task = selection.next_task(queue) if queue else None
    if task is None or task.agent is None:
        return None
    if task.recorded_status != task.status:
        _adopt(task)
    now = timezone.now()
    task.attempts += 1
    task.started_at = now
    task.lease_expires_at = _lease_end(now)
    task.deadline_at = now + timedelta(seconds=task.agent.timeout_seconds)
    _save(task, Status.RUNNING)
    events.record(task, events.STARTED, worker=worker, agent=task.agent.name)
    return task


def heartbeat(claims: Iterable[Claim]) -> set[Claim]:
    """Renew the leases of those claims that still hold, and name them. The others must stop."""
    asked = list(claims)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE tasks SET lease_expires_at = %s
            FROM unnest(%s::bigint[], %s::integer[]) AS held (id, attempt)
            WHERE tasks.id = held.id AND tasks.attempts = held.attempt AND tasks.status = %s
            RETURNING tasks.id, tasks.attempts
            """,
            [_lease_end(timezone.now()), *_columns(asked), int(Status.RUNNING)],
        )
        return {Claim(task_id=row[0], attempt=row[1]) for row in cursor.fetchall()}


def still_held(claims: Iterable[Claim]) -> set[Claim]:
    """Which of the claims still hold, without renewing them."""
    asked = list(claims)
    rows = Task.objects.running().filter(pk__in=[one.task_id for one in asked])
    held = {Claim(task_id=pk, attempt=attempt) for pk, attempt in rows.values_list("pk", "attempts")}
    return held & set(asked)


@transaction.atomic
def record_output(*, claim: Claim, text: str, offset: int) -> None:
    """Add a piece of output to the history; `offset` counts the characters before it in this attempt."""
    task = _lock_claimed(claim)
    events.record(task, events.OUTPUT, text=text, offset=offset)


@transaction.atomic
def complete(*, claim: Claim, result: str, usage: Usage | None = None, **facts: Any) -> Task:
    """End an attempt well. `facts` are small details for the event, such as an exit code."""
    task = _lock_claimed(claim)
    _take_usage(task, usage)
    task.result = result
    task.error_code = task.error_detail = ""
    _finish(task, Status.COMPLETE)
    events.record(task, events.COMPLETED, length=len(result), **facts)
    dispatch.nudge_after_commit(task.queue_id)
    return task


@transaction.atomic
def fail(*, claim: Claim, code: str, detail: str = "", usage: Usage | None = None, **facts: Any) -> Task:
    """End an attempt badly: the task fails, or is ready again when the reason is transient and attempts are left."""
    task = _lock_claimed(claim)
    _take_usage(task, usage)
    _end_attempt(task, code, detail, **facts)
    dispatch.nudge_after_commit(task.queue_id)
    return task


@transaction.atomic
def give_back(*, claim: Claim, reason: str) -> Task:
    """Return a task that its worker cannot finish, through no fault of the task: the attempt does not count."""
    task = _lock_claimed(claim)
    task.free_attempts += 1
    _make_ready(task, not_before_at=None)
    events.record(task, events.RETRIED, reason=reason)
    dispatch.nudge_after_commit(task.queue_id)
    return task


@transaction.atomic
def recover_lost(*, task_id: int) -> Task | None:
    """End the attempt of a worker whose lease ran out; None when it was renewed or ended meanwhile."""
    task = Task.objects.lost().select_for_update(no_key=True, skip_locked=True).filter(pk=task_id).first()
    if task is None:
        return None
    _end_attempt(task, "lease_lost", "The lease ran out without a heartbeat.")
    # The worker may only have been cut off from us: what it still runs has to stop.
    dispatch.stop_after_commit(task_id=task.pk, attempt=task.attempts)
    dispatch.nudge_after_commit(task.queue_id)
    return task


@transaction.atomic
def adopt(*, task_id: int) -> Task | None:
    """Record what SQL did to a row: give it the default queue and write the event it did not write."""
    rows = Task.objects.changed_outside().select_for_update(no_key=True, skip_locked=True)
    task = rows.filter(pk=task_id).first()
    return _adopt(task) if task else None


# --- How -------------------------------------------------------------------------------------------


def _keep_from_deletion(agent: Agent) -> None:
    # Shared with other submits, claims and edits; only deleting an agent takes the lock that conflicts with it.
    # The foreign key alone would ask for it at the commit, too late for deleting to see the task.
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM agents WHERE id = %s AND deleted_at IS NULL FOR KEY SHARE", [agent.pk])
        if cursor.rowcount != 1:
            raise NotFound("The agent was deleted at this moment. Choose another agent.")


def _lock(task: Task) -> Task:
    current = Task.objects.select_for_update(no_key=True).get(pk=task.pk)
    return current if current.recorded_status == current.status else _adopt(current)


def _expect(task: Task, verb: str) -> None:
    if not states.may(verb, task.state):
        raise IllegalTransition(f"A task that is {task.state.word} cannot take '{verb}'.")


def _lock_for(task: Task, verb: str) -> Task:
    current = _lock(task)
    _expect(current, verb)
    return current


def _lock_claimed(claim: Claim) -> Task:
    task = Task.objects.select_for_update(no_key=True).get(pk=claim.task_id)
    if task.state != Status.RUNNING or task.attempts != claim.attempt:
        raise ClaimLost(f"attempt {claim.attempt} of task {claim.task_id} is over")
    return task


def _end_attempt(task: Task, code: str, detail: str, **facts: Any) -> None:
    failure = failures.FAILURES.get(code, failures.FAILURES["internal_error"])
    if failure.is_transient and not task.is_exhausted:
        not_before_at = timezone.now() + backoff.delay(task.attempts - task.free_attempts)
        _make_ready(task, not_before_at=not_before_at)
        events.record(task, events.RETRIED, reason=failure.code, **facts)
        return
    task.error_code = failure.code
    task.error_detail = redact(detail)[:10_000]
    _finish(task, Status.FAILED)
    events.record(task, events.FAILED, error_code=failure.code, error=failures.sentence_for(failure.code), **facts)


def _make_ready(task: Task, *, not_before_at: datetime | None) -> None:
    task.not_before_at = not_before_at
    task.lease_expires_at = task.finished_at = task.deadline_at = None
    task.result = None
    task.error_code = task.error_detail = ""
    _save(task, Status.READY)


def _finish(task: Task, status: Status) -> None:
    task.lease_expires_at = task.deadline_at = None
    task.finished_at = timezone.now()
    _save(task, status)


def _move(task: Task, status: Status, kind: str, actor: User) -> Task:
    _save(task, status)
    events.record(task, kind, actor=actor, status=status.word)
    return task


def _adopt(task: Task) -> Task:
    if task.queue_id is None:
        task.queue = Queue.objects.shared_default()
    before = None if task.recorded_status is None else Status(task.recorded_status).word
    _save(task, task.state)
    if before is None:
        events.record(task, events.CREATED, status=task.state.word, title=task.title, source=task.source)
    else:
        events.record(task, events.ADOPTED, status=task.state.word, before=before)
    dispatch.nudge_after_commit(task.queue_id)
    return task


def _save(task: Task, status: Status) -> None:
    task.status = task.recorded_status = status
    task.save()


def _take_usage(task: Task, usage: Usage | None) -> None:
    if usage is not None:
        task.tokens_in, task.tokens_out, task.cost = usage.tokens_in, usage.tokens_out, usage.cost


def _lease_end(now: datetime) -> datetime:
    return now + timedelta(seconds=settings.PERSONALQ_LEASE_SECONDS)


def _columns(claims: list[Claim]) -> tuple[list[int], list[int]]:
    return [one.task_id for one in claims], [one.attempt for one in claims]
