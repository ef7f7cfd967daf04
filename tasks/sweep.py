"""What heals: run every five seconds, it repeats whatever got lost since the last time."""

from typing import Final

from django.db import connection, transaction

from tasks import dispatch, lifecycle
from tasks.models import Task

BATCH: Final = 500
_SINGLE_FLIGHT_LOCK: Final = 7_041_776_203


def sweep() -> None:
    """Recover lost attempts, record what SQL changed, and nudge every queue that has work due.

    Two sweeps at once are harmless but wasteful, so the second leaves at once.
    """
    with transaction.atomic():
        if not _try_lock():
            return
        lost = list(Task.objects.lost().values_list("pk", flat=True)[:BATCH])
        changed = list(Task.objects.changed_outside().values_list("pk", flat=True)[:BATCH])
        queues = list(Task.objects.waiting().order_by().values_list("queue_id", flat=True).distinct())
    for task_id in lost:
        lifecycle.recover_lost(task_id=task_id)
    for task_id in changed:
        lifecycle.adopt(task_id=task_id)
    for queue_id in queues:
        if queue_id is not None:
            dispatch.nudge(queue_id)


def _try_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_SINGLE_FLIGHT_LOCK])
        return bool(cursor.fetchone()[0])
