"""What heals: run every five seconds, it repeats whatever got lost since the last time."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from django.db import transaction
from django.db.models import QuerySet

from tasks import dispatch, lifecycle, locks, selection
from tasks.models import Task

BATCH: Final = 500


def sweep() -> None:
    """Recover lost attempts, end what is late, record what SQL changed, and nudge every queue in which tasks wait.

    Two sweeps at once are harmless but wasteful, so the second leaves at once.
    """
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


def _first(rows: QuerySet[Task]) -> list[int]:
    return list(rows.order_by("id").values_list("pk", flat=True)[:BATCH])


def _each(heal: Callable[..., Any], task_ids: list[int]) -> None:
    for task_id in task_ids:
        heal(task_id=task_id)
