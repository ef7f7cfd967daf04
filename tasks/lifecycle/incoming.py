"""How tasks come in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from accounts.models import User
from personalq.lib.errors import Conflict, InvalidInput
from tasks import dispatch, events, locks
from tasks.lifecycle import keys, rows
from tasks.models import Agent, ConcurrencyPolicy, Queue, Task
from tasks.models.task import Source
from tasks.states import Status


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A task that is to come in. Without a queue it goes to its agent's."""

    agent: Agent
    prompt: str
    queue: Queue | None = None
    title: str = ""
    order: int = 0
    input: Any = None
    not_before_at: datetime | None = None
    start_by_at: datetime | None = None
    """A task that still waits at this time fails; without it the agent's `waiting_timeout_seconds` decides."""
    is_backlogged: bool = False
    concurrency_key: str = ""
    concurrency_policy: str = ""
    """What to do about others with the same key; without it the task waits for them."""


def submit(*, actor: User, source: str = Source.API, **wanted: Any) -> Task:
    """Write one new task; see `Submission` for what it takes and `submit_many` for what it raises."""
    return submit_many(actor=actor, submissions=[Submission(**wanted)], source=source)[0]


@transaction.atomic
def submit_many(*, actor: User, submissions: Sequence[Submission], source: str = Source.API) -> list[Task]:
    """Write new tasks, all or none; each is ready to run at once unless backlogged or not yet due.

    Raises Conflict when an agent was deleted meanwhile, ConcurrencyKeyTaken when a task had to give way, and
    InvalidInput when tasks of a batch would end each other.
    """
    _make_way(actor, submissions)
    _keep_from_deletion({one.agent.pk for one in submissions})
    tasks = Task.objects.bulk_create([_task_of(one, source) for one in submissions])
    events.record_each(tasks, events.CREATED, actor=actor, data_of=_created)
    for queue_id in sorted({task.queue_id for task in tasks if task.queue_id is not None}):
        dispatch.nudge_after_commit(queue_id)
    return tasks


def _make_way(actor: User, submissions: Sequence[Submission]) -> None:
    keyed = [one for one in submissions if one.concurrency_key]
    _refuse_rivals(submissions)
    # All keys first and in one order, so that two batches cannot wait for each other.
    for owner_id, key in sorted({(one.agent.owner_id, one.concurrency_key) for one in keyed}):
        locks.hold_concurrency_key(owner_id=owner_id, key=key)
    for one in keyed:
        keys.make_way(actor=actor, owner_id=one.agent.owner_id, key=one.concurrency_key, policy=_policy(one))


def _refuse_rivals(submissions: Sequence[Submission]) -> None:
    policies: dict[tuple[int, str], set[str]] = {}
    for place, one in enumerate(submissions):
        if not one.concurrency_key:
            continue
        earlier = policies.setdefault((one.agent.owner_id, one.concurrency_key), set())
        if earlier and earlier | {_policy(one)} != {ConcurrencyPolicy.SINGLETON}:
            raise InvalidInput.for_field(
                f"tasks[{place}].concurrency_key",
                "repeated",
                "Only tasks with the policy singleton may share a key in one batch.",
            )
        earlier.add(_policy(one))


def _keep_from_deletion(agent_ids: set[int]) -> None:
    # Shared with other submits, claims and edits; only deleting an agent takes the lock that conflicts with it.
    # The foreign key alone would ask for it at the commit, too late for deleting to see the task.
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT FROM agents WHERE id = ANY(%s) AND deleted_at IS NULL ORDER BY id FOR KEY SHARE",
            [sorted(agent_ids)],
        )
        if cursor.rowcount != len(agent_ids):
            raise Conflict("The agent was deleted at this moment. Choose another agent.")


def _task_of(one: Submission, source: str) -> Task:
    status = Status.BACKLOGGED if one.is_backlogged else Status.READY
    start_by_at = one.start_by_at
    if start_by_at is None and not one.is_backlogged:
        start_by_at = rows.latest_start(one.agent, one.not_before_at)
    return Task(
        owner_id=one.agent.owner_id,
        agent=one.agent,
        queue_id=one.queue.pk if one.queue else one.agent.queue_id,
        prompt=one.prompt,
        title=one.title,
        order=one.order,
        input=one.input,
        source=source,
        trusted=True,
        max_attempts=one.agent.max_attempts,
        not_before_at=one.not_before_at,
        start_by_at=start_by_at,
        concurrency_key=one.concurrency_key,
        concurrency_policy=_policy(one),
        status=status,
        recorded_status=status,
    )


def _policy(one: Submission) -> str:
    if not one.concurrency_key:
        return ""
    return one.concurrency_policy or ConcurrencyPolicy.SINGLETON


def _created(task: Task) -> dict[str, Any]:
    return {"status": task.state.word, "title": task.title}
