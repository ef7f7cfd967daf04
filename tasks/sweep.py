"""What heals: run every five seconds, it repeats whatever got lost since the last time."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from django.db import DatabaseError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from tasks import dispatch, heartbeats, lifecycle, locks, selection
from tasks.models import BulkAction, Task

logger = logging.getLogger(__name__)
BATCH: Final = 500


def sweep() -> None:
    """Recover lost attempts, end what is late, record what SQL changed, and nudge every queue in which tasks wait.

    Two sweeps at once are harmless but wasteful, so the second leaves at once.
    """
    started_at = timezone.now()
    with transaction.atomic():
        if not locks.try_sweep():
            return
        lost, overdue, late, changed = map(
            _first, (Task.objects.lost(), Task.objects.overdue(), Task.objects.late(), Task.objects.changed_outside())
        )
        running = _first(Task.objects.running()) if selection.stops_running() else []
        queues = selection.queues_with_ready_tasks()
    _each(lifecycle.recover_lost, lost)
    _each(lifecycle.end_overdue, overdue)
    _each(lifecycle.expire, late)
    _each(lifecycle.adopt, changed)
    _each(partial(lifecycle.interrupt, reason=lifecycle.STOP_SWITCH_REASON), running)
    for queue_id in queues:
        dispatch.nudge(queue_id)
    for bulk_id in BulkAction.objects.unfinished().values_list("pk", flat=True):
        dispatch.nudge_bulk(bulk_id)
    heartbeats.beat_sweep(started_at=started_at)


def _first(rows: QuerySet[Task]) -> list[int]:
    return list(rows.order_by("id").values_list("pk", flat=True)[:BATCH])


def _each(heal: Callable[..., Any], task_ids: list[int]) -> None:
    for task_id in task_ids:
        try:
            heal(task_id=task_id)
        except DatabaseError:
            # One row that somebody holds too long must not keep the others waiting; the next sweep comes back to it.
            logger.warning("Task %s could not be healed now.", task_id, exc_info=True)
