"""What heals: run every five seconds, it repeats whatever got lost since the last time."""

import logging
from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import Any, Final

from django.db import DatabaseError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from tasks import dispatch, heartbeats, lifecycle, locks, selection, task_operator
from tasks.models import BulkAction, Task
from tasks.models.task import TaskQuerySet
from tasks.schedules import firing

logger = logging.getLogger(__name__)
BATCH: Final = 500
_at_work: Final = Lock()


def sweep() -> None:
    """Recover lost attempts, end what is late, record what SQL changed, and nudge every queue in which tasks wait.

    Schedules that are due fire here, too, should their own job not come.

    Two sweeps at once are harmless but wasteful, so the second leaves at once. Within a process it does so until the
    first has ended: were it slow, each next one would keep another of the worker's few threads waiting.
    """
    if not _at_work.acquire(blocking=False):
        return
    try:
        _sweep()
    finally:
        _at_work.release()


def _sweep() -> None:
    started_at = timezone.now()
    with transaction.atomic():
        if not locks.try_sweep():
            return
        found = [(heal, _first(rows(Task.objects.all()))) for heal, rows in _healed()]
        running = _first(Task.objects.at_work()) if selection.stops_running() else []
        queues = selection.queues_with_ready_tasks()
    for heal, task_ids in found:
        _each(heal, task_ids)
    lifecycle.settle_forgotten()
    _each(partial(lifecycle.interrupt, reason=lifecycle.STOP_SWITCH_REASON), running)
    _hand_out()
    for queue_id in queues:
        dispatch.nudge(queue_id)
    for bulk_id in BulkAction.objects.unfinished().values_list("pk", flat=True):
        dispatch.nudge_bulk(bulk_id)
    _fire_schedules()
    heartbeats.beat_sweep(started_at=started_at)


def _hand_out() -> None:
    try:
        task_operator.hand_out()
    except DatabaseError:
        logger.warning("The task operator could not hand out now.", exc_info=True)


def _fire_schedules() -> None:
    try:
        firing.fire_due()
    except DatabaseError:
        logger.warning("Schedules could not be looked at now.", exc_info=True)


def _healed() -> list[tuple[Callable[..., Any], Callable[[TaskQuerySet], TaskQuerySet]]]:
    """What heals a task, and which tasks need it."""
    return [
        (lifecycle.recover_lost, TaskQuerySet.lost),
        (lifecycle.end_overdue, TaskQuerySet.overdue),
        (lifecycle.end_unreported, TaskQuerySet.unreported),
        (lifecycle.expire, TaskQuerySet.late),
        (lifecycle.expire_approval, TaskQuerySet.unanswered),
        (lifecycle.adopt, TaskQuerySet.changed_outside),
    ]


def _first(rows: QuerySet[Task]) -> list[int]:
    return list(rows.order_by("id").values_list("pk", flat=True)[:BATCH])


def _each(heal: Callable[..., Any], task_ids: list[int]) -> None:
    for task_id in task_ids:
        try:
            heal(task_id=task_id)
        except DatabaseError:
            # One row that somebody holds too long must not keep the others waiting; the next sweep comes back to it.
            logger.warning("Task %s could not be healed now.", task_id, exc_info=True)
