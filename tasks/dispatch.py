"""Telling workers, after the commit, that there is something to do or to stop.

These messages are only hints: PostgreSQL is the queue of record, the sweep repeats lost nudges and a worker's own
watch notices stopped tasks. So a broker that is down costs seconds and never fails a request.
"""

from functools import partial

from celery import current_app
from django.db import transaction

NUDGE_LIFETIME_SECONDS = 60


def nudge(queue_id: int) -> None:
    """Ask the workers to look at a queue."""
    current_app.send_task("tasks.jobs.work_queue", args=[queue_id], expires=NUDGE_LIFETIME_SECONDS, retry=False)


def nudge_after_commit(queue_id: int | None) -> None:
    if queue_id is not None:
        transaction.on_commit(partial(nudge, queue_id), robust=True)


def stop(*, task_id: int, attempt: int) -> None:
    """Ask whichever worker carries this attempt out to stop it."""
    current_app.control.broadcast("stop_attempt", arguments={"task_id": task_id, "attempt": attempt})


def stop_after_commit(*, task_id: int, attempt: int) -> None:
    transaction.on_commit(partial(stop, task_id=task_id, attempt=attempt), robust=True)
