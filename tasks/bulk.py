"""Bulk actions: one verb for many tasks, carried out in the background and counted exactly.

When it is asked, the ids of all tasks that it means are written down: what comes later, or only then fits the filter,
is not touched. Each task goes through its own verb of `tasks.lifecycle`, in a savepoint of its own. A chunk of tasks
and the progress that tells of them are one transaction, so whoever dies in the middle has neither lost nor repeated
anything; the sweep hands the rest on.

Locks are taken in the order queue, bulk action, concurrency key, task.
"""

import logging
import time
from collections import Counter
from collections.abc import Sequence
from itertools import takewhile
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import Count, Exists, OuterRef, QuerySet
from django.db.models.functions import Coalesce, Now

from accounts.models import User
from personalq.lib.constraints import conflicts
from personalq.lib.database_guards import is_outage
from personalq.lib.errors import AppError, Conflict, IllegalTransition, NotFound, PermissionDenied
from tasks import access, dispatch, locks, quotas, states, trail
from tasks.criteria import TaskCriteria
from tasks.lifecycle import asked
from tasks.models import BulkAction, Queue, Task
from tasks.models.bulk_action import UNFINISHED_BULK, BulkStatus, BulkVerb

MOST_UNFINISHED: Final = 5
"""How many bulk actions one user may have under way."""
CHUNK: Final = 50
CHUNK_SECONDS: Final = 0.1
"""While a chunk is open, readers of events wait for it and claims pass its tasks by, so it ends soon."""
CALL_SECONDS: Final = 0.3
"""After this long a worker's thread is free for other messages."""
_CHANGED: Final = ""
_GONE: Final = "The queue was deleted at this moment. Choose another queue."

_logger = logging.getLogger(__name__)


class TooManyBulkActions(Conflict):
    """The user's others have not ended yet."""

    code = "too_many_bulk_actions"
    title = "Too many of your bulk actions are under way."
    advice = f"Wait until one of them has ended, or stop one; {MOST_UNFINISHED} may be under way at once."


def create(
    *,
    actor: User,
    action: str,
    criteria: TaskCriteria,
    shown_filter: dict[str, Any],
    task_owner: User | None,
    queue: Queue | None = None,
    reason: str = "",
) -> BulkAction:
    """Write a bulk action down with the tasks that it means now; workers carry it out from here.

    Args:
        actor: Who asks.
        action: A `BulkVerb`.
        criteria: Which tasks.
        shown_filter: The same as the actor has put it, to be shown again.
        task_owner: Whose tasks; None for everybody's. Others' are for operators.
        queue: Where `move` puts them.
        reason: Why they are cancelled.

    Raises:
        PermissionDenied: The actor may not change others' tasks.
        TooManyBulkActions: The actor has `MOST_UNFINISHED` under way.
        Conflict: The queue was deleted at this moment.
    """
    wanted = BulkAction(
        owner=actor,
        action=action,
        criteria=criteria.as_json(),
        filter=shown_filter,
        task_owner=task_owner,
        queue=queue,
        reason=reason,
    )
    with conflicts(gone=Conflict(_GONE)), transaction.atomic():
        unfinished = BulkAction.objects.unfinished().filter(owner=actor)
        quotas.take_place(actor, unfinished, MOST_UNFINISHED, TooManyBulkActions())
        wanted.task_ids = list(_candidates(wanted).order_by("pk").values_list("pk", flat=True))
        wanted.total = len(wanted.task_ids)
        wanted.save(force_insert=True)
        _note_asked(wanted)
        dispatch.nudge_bulk_after_commit(wanted.pk)
    _logger.info("bulk %s of %d tasks was asked for by %s: %s", action, wanted.total, actor.uuid, wanted.uuid)
    return wanted


@transaction.atomic
def stop(*, actor: User, action: BulkAction) -> None:
    """Change no further task; waits for the chunk under way. Stopping one that has ended changes nothing."""
    current = BulkAction.objects.without_tasks().select_for_update(no_key=True).get(pk=action.pk)
    if current.is_unfinished:
        _end(current, BulkStatus.STOPPED)
        trail.note("stopped", current, actor)
        _logger.info("bulk action %s was stopped by %s", current.uuid, actor.uuid)


def _note_asked(action: BulkAction) -> None:
    """One row for each owner whose tasks are meant, so that they can read of it."""
    meant = Task.objects.filter(pk__in=action.task_ids).order_by()
    counts = dict(meant.values_list("owner").annotate(Count("pk")))
    owners = User.objects.in_bulk([owner_id for owner_id in counts if owner_id is not None])
    for owner_id in counts or [action.owner_id]:
        told = {"action": action.action, "tasks": counts.get(owner_id, 0)}
        trail.note_many("bulk_asked", action, action.owner, owner=owners.get(owner_id), **told)


def advance(bulk_id: int) -> None:
    """Carry a bulk action on for a moment, then ask for the next turn.

    Whoever else carries it on at this moment is left to it. Safe to repeat after any failure.
    """
    stop_at = time.monotonic() + CALL_SECONDS
    while _carry_on(bulk_id):
        if time.monotonic() >= stop_at:
            dispatch.nudge_bulk(bulk_id)
            return
    _nudge_next_of(bulk_id)


def _nudge_next_of(bulk_id: int) -> None:
    """Let the owner's next one begin: only the oldest of each is carried out at a time."""
    ended = BulkAction.objects.filter(pk=bulk_id).exclude(status__in=UNFINISHED_BULK)
    waiting = BulkAction.objects.unfinished().filter(owner__in=ended.values("owner")).order_by("pk")
    following = waiting.values_list("pk", flat=True).first()
    if following is not None:
        dispatch.nudge_bulk(following)


@transaction.atomic
def _carry_on(bulk_id: int) -> bool:
    """Deal with one chunk. False when there is nothing more to do here: it has ended, or somebody else is at it."""
    action = _take(bulk_id)
    if action is None:
        return False
    task_ids = _next_tasks(action)
    try:
        candidates = _candidates(action)
    except (PermissionDenied, NotFound) as refusal:
        _end(action, BulkStatus.STOPPED, refusal.code)
        return False
    if not task_ids:
        _end(action, BulkStatus.COMPLETE)
        return False
    held = _hold(task_ids)
    fitting = set(candidates.filter(pk__in=held).values_list("pk", flat=True))
    _note(action, _act_on_each(action, held, fitting))
    return True


# --- Taking -----------------------------------------------------------------------------------------------


def _take(bulk_id: int) -> BulkAction | None:
    """The unfinished action, locked; None when there is none, when it is not its turn, or somebody else holds it."""
    _keep_queue(bulk_id)
    older = BulkAction.objects.unfinished().filter(owner=OuterRef("owner"), pk__lt=OuterRef("pk"))
    free = BulkAction.objects.unfinished().select_for_update(of=("self",), no_key=True, skip_locked=True)
    mine = free.defer("task_ids").select_related("owner").filter(~Exists(older), pk=bulk_id)
    return mine.first()


def _keep_queue(bulk_id: int) -> None:
    """Let nobody delete the queue that the tasks move to before this chunk has ended."""
    with connection.cursor() as cursor:
        # The foreign keys would ask for it at the commit: too late, when whoever deletes waits for the tasks.
        cursor.execute(
            "SELECT FROM queues WHERE id = (SELECT queue_id FROM bulk_actions WHERE id = %s) FOR KEY SHARE", [bulk_id]
        )


def _next_tasks(action: BulkAction) -> list[int]:
    start = action.processed
    with connection.cursor() as cursor:
        cursor.execute("SELECT task_ids[%s:%s] FROM bulk_actions WHERE id = %s", [start + 1, start + CHUNK, action.pk])
        found: list[int] = cursor.fetchone()[0]
    return _without_keys(found) if action.action == BulkVerb.RETRY else found


def _without_keys(task_ids: Sequence[int]) -> list[int]:
    """The first of the tasks, up to one with a concurrency key; or that one alone, its key held.

    Such a key has to be locked before any row, and its policy may end other tasks.
    """
    rows = Task.objects.filter(pk__in=task_ids).exclude(concurrency_key="")
    keyed = {pk: (owner_id, key) for pk, owner_id, key in rows.values_list("pk", "owner_id", "concurrency_key")}
    first = task_ids[0] if task_ids else None
    if first not in keyed:
        return list(takewhile(lambda pk: pk not in keyed, task_ids))
    owner_id, key = keyed[first]
    if owner_id is not None:
        locks.hold_concurrency_key(owner_id=owner_id, key=key)
    return [first]


def _candidates(action: BulkAction) -> QuerySet[Task]:
    """The tasks that the action may change as they are now.

    Raises PermissionDenied when its owner may not (any more), NotFound when the queue for them is gone.
    """
    meant = TaskCriteria.from_json(action.criteria).among(_within_reach(action))
    fitting = meant.filter(status__in=states.ALLOWED_FROM[action.action])
    if action.action != BulkVerb.MOVE:
        return fitting
    if action.queue_id is None:
        raise NotFound
    return fitting.exclude(queue=action.queue_id)


def _within_reach(action: BulkAction) -> QuerySet[Task]:
    actor = action.owner
    if not actor.is_active:
        raise PermissionDenied
    if action.task_owner_id == actor.pk:
        return access.tasks_of(actor)
    everybodys = access.everybodys_tasks(actor, "change")
    return everybodys if action.task_owner_id is None else everybodys.filter(owner=action.task_owner_id)


def _hold(task_ids: Sequence[int]) -> dict[int, Task | None]:
    """Lock the tasks in their order, up to one that somebody else holds; None stands for one that is gone.

    Only the first is waited for, when nothing else is locked yet. So nobody who locks several tasks and this can
    wait for each other.
    """
    rows = Task.objects.only("status", "owner", "concurrency_key", "concurrency_policy")
    first, *others = task_ids
    held = {first: rows.select_for_update(no_key=True).filter(pk=first).first()}
    free = rows.select_for_update(no_key=True, skip_locked=True).in_bulk(others)
    return held | {pk: free[pk] for pk in takewhile(free.__contains__, others)}


# --- Acting -----------------------------------------------------------------------------------------------


def _act_on_each(action: BulkAction, held: dict[int, Task | None], fitting: set[int]) -> Counter[str]:
    """Call the verb for each of the tasks, as long as there is time. Counts outcomes: _CHANGED or a code."""
    outcomes: Counter[str] = Counter()
    stop_at = time.monotonic() + CHUNK_SECONDS
    for pk, task in held.items():
        outcomes[_act_on(action, task, is_fitting=pk in fitting)] += 1
        if time.monotonic() >= stop_at:
            break
    return outcomes


def _act_on(action: BulkAction, task: Task | None, *, is_fitting: bool) -> str:
    if task is None:
        return NotFound.code
    if not states.may(action.action, task.state):
        return IllegalTransition.code
    if not is_fitting:
        # It has been changed since, and does not fit the filter any more.
        return Conflict.code
    try:
        _call_verb(action, task)
    except AppError as refusal:
        return refusal.code
    except Exception as error:
        if is_outage(error):
            raise
        # One task that cannot be changed must not keep the others from it for ever.
        _logger.exception("bulk action %s stumbled over task %s", action.uuid, task.pk)
        return AppError.code
    return _CHANGED


def _call_verb(action: BulkAction, task: Task) -> None:
    match action.action:
        case BulkVerb.CANCEL:
            asked.cancel(actor=action.owner, task=task, reason=action.reason)
        case BulkVerb.RETRY:
            asked.retry(actor=action.owner, task=task)
        case BulkVerb.ARCHIVE:
            asked.archive(actor=action.owner, task=task)
        case BulkVerb.MOVE if action.queue is not None:
            asked.move(actor=action.owner, task=task, queue=action.queue)


# --- Writing progress ---------------------------------------------------------------------------------------


def _note(action: BulkAction, outcomes: Counter[str]) -> None:
    changed = outcomes.pop(_CHANGED, 0)
    BulkAction.objects.filter(pk=action.pk).update(
        status=BulkStatus.RUNNING,
        started_at=Coalesce("started_at", Now()),
        changed=action.changed + changed,
        skipped=action.skipped + outcomes.total(),
        errors=Counter(action.errors) + outcomes,
    )


def _end(action: BulkAction, status: BulkStatus, code: str | None = None) -> None:
    """`code` says why it ends early."""
    errors = Counter(action.errors) + Counter([code] if code else [])
    BulkAction.objects.filter(pk=action.pk).update(
        status=status,
        started_at=Coalesce("started_at", Now()),
        finished_at=Now(),
        errors=errors,
        task_ids=[],
    )
    counts = {"status": status, "changed": action.changed, "skipped": action.skipped, "errors": errors}
    trail.note_many(action.action, action, action.owner, owner=action.task_owner, **counts)
