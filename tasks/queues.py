"""Making, changing, pausing and deleting queues, for API, pages, commands and admin alike.

Callers find the objects through `tasks.access` first; the rules about values hold whoever calls.
"""

import logging
import time
from typing import Final, TypedDict, Unpack

from django.db import transaction
from django.db.models import ProtectedError, QuerySet

from accounts.models import User
from personalq.lib.constraints import NameTaken, conflicts
from personalq.lib.errors import Conflict, NotFound
from tasks import dispatch, locks, quotas, trail
from tasks.models import DEFAULT_QUEUE, Queue, Task
from tasks.states import UNFINISHED

_logger = logging.getLogger(__name__)
MOVED_AT_ONCE: Final = 2_000
MOVE_SECONDS: Final = 10.0
_USES: Final = {
    "agents": "Agents that use it",
    "schedules": "Schedules that use it",
    "unfinished": "Tasks in it that are not finished",
}


class QueueInUse(Conflict):
    """The queue is needed."""

    code = "queue_in_use"
    title = "The queue is in use."
    advice = "Give its agents and schedules another queue, cancel or wait for its tasks, then delete it."


class QueueLimits(TypedDict, total=False):
    """How much a queue lets through."""

    concurrency_limit: int
    rate_limit: int | None
    rate_period_seconds: int


def create(*, actor: User, name: str, is_shared: bool = False, **limits: Unpack[QueueLimits]) -> Queue:
    """Make a queue of `actor`, or one that everybody shares (for operators: the caller has checked that).

    Raises ValidationError naming the field, QuotaReached, or NameTaken, also for the name of a shared queue.
    """
    queue = Queue(owner=None if is_shared else actor, name=name, **limits)
    if not is_shared and Queue.objects.filter(owner__isnull=True, name=name).exists():
        raise NameTaken("A shared queue has this name.")
    with conflicts(taken=NameTaken("There is a queue of this name already.")), transaction.atomic():
        if not is_shared:
            quotas.take_place_for_queue(actor)
        _save(queue)
        trail.note("made", queue, actor, name=name, is_shared=is_shared)
    _log("created", queue, actor)
    return queue


@transaction.atomic
def change(*, actor: User, queue: Queue, **limits: Unpack[QueueLimits]) -> Queue:
    """Set how much a queue lets through; what is not given stays. Tasks that run go on when there are more."""
    current = _lock_limits(queue)
    changed = {name: value for name, value in limits.items() if value != getattr(current, name)}
    for name, value in changed.items():
        setattr(current, name, value)
    _save(current)
    if changed:
        trail.note("changed", current, actor, **changed)
    dispatch.nudge_after_commit(current.pk)
    _log("changed", current, actor)
    return current


@transaction.atomic
def pause(*, actor: User, queue: Queue) -> Queue:
    """Start no more tasks of the queue; those that run go on. Repeating it changes nothing."""
    return _set_paused(queue, actor, is_paused=True)


@transaction.atomic
def resume(*, actor: User, queue: Queue) -> Queue:
    """Go on with a paused queue. Repeating it changes nothing."""
    current = _set_paused(queue, actor, is_paused=False)
    dispatch.nudge_after_commit(current.pk)
    return current


def delete(*, actor: User, queue: Queue) -> None:
    """Delete a queue; its finished tasks move to the default queue, where a retry would run.

    Raises QueueInUse for the default queue and while agents, schedules or unfinished tasks use it, Conflict when there
    are too many finished tasks to move in one go (those that are moved stay moved), and NotFound.
    """
    stop_at = time.monotonic() + MOVE_SECONDS
    while not _move_some_and_delete(queue, actor):
        if time.monotonic() >= stop_at:
            raise Conflict("The finished tasks of this queue are being moved to the default one. Delete it again.")
    _log("deleted", queue, actor)


@transaction.atomic
def _move_some_and_delete(queue: Queue, actor: User) -> bool:
    """Move a bounded number of finished tasks; when none is left, delete the queue and return True."""
    # A full row lock: whoever writes something that refers to the queue waits until this is decided.
    current = _lock(Queue.objects.select_for_update(), queue)
    _refuse_if_used(current)
    default = Queue.objects.shared_default()
    some = current.tasks.order_by("pk").values_list("pk", flat=True)[:MOVED_AT_ONCE]
    if Task.objects.filter(pk__in=list(some)).update(queue=default):
        return False
    # Those of deleted agents and schedules, which stay behind the history.
    current.agents.update(queue=default)
    current.schedules.update(queue=None)
    trail.note("deleted", current, actor, name=current.name)
    _delete(current)
    return True


def _delete(queue: Queue) -> None:
    try:
        queue.delete()
    except ProtectedError as error:
        # Of those who stand above us, such as doors.
        nouns = sorted({str(row._meta.verbose_name_plural) for row in error.protected_objects})
        raise QueueInUse(f"Used by {' and '.join(nouns)}. {QueueInUse.advice}") from None


def _refuse_if_used(queue: Queue) -> None:
    if queue.is_shared and queue.name == DEFAULT_QUEUE:
        raise QueueInUse("The default queue always stays. Pause it instead.")
    uses = uses_of(queue)
    if any(uses.values()):
        counts = " ".join(f"{_USES[name]}: {count}." for name, count in uses.items() if count)
        raise QueueInUse(f"{counts} {QueueInUse.advice}")


def uses_of(queue: Queue) -> dict[str, int]:
    """What keeps a queue from being deleted: agents, schedules and unfinished tasks, each counted."""
    return {
        "agents": queue.agents.existing().count(),
        "schedules": queue.schedules.existing().count(),
        "unfinished": queue.tasks.filter(status__in=UNFINISHED).count(),
    }


def _set_paused(queue: Queue, actor: User, *, is_paused: bool) -> Queue:
    current = _lock_limits(queue)
    if current.is_paused != is_paused:
        current.is_paused = is_paused
        current.save(update_fields=["is_paused", "updated_at"])
        deed = "paused" if is_paused else "resumed"
        trail.note(deed, current, actor)
        _log(deed, current, actor)
    return current


def _lock_limits(queue: Queue) -> Queue:
    current = _lock(Queue.objects.select_for_update(no_key=True), queue)
    # Whoever claims at this moment goes first: after this nothing starts beyond what is decided now. Taken last, since
    # nobody may wait for anything else while all claims wait for them.
    locks.hold_claims()
    return current


def _lock(rows: QuerySet[Queue], queue: Queue) -> Queue:
    current = rows.filter(pk=queue.pk).first()
    if current is None:
        raise NotFound
    return current


def _save(queue: Queue) -> None:
    queue.clean_fields(exclude={"owner"})
    queue.save()


def _log(deed: str, queue: Queue, actor: User) -> None:
    _logger.info("queue %s was %s by %s", queue.uuid, deed, actor.uuid)
