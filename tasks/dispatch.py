"""Telling workers, after the commit, that there is something to do or to stop.

These messages are only hints: PostgreSQL is the queue of record, the sweep repeats lost nudges and a worker's own
watch notices stopped tasks. So a broker that is down costs seconds of delay and never fails or slows a request.
"""

from functools import partial
from typing import Final

from celery import current_app
from django.db import transaction

from tasks.messenger import Hint, messenger

NUDGE_LIFETIME_SECONDS: Final = 60


def nudge(queue_id: int) -> None:
    """Ask the workers to look at a queue."""
    messenger.post(Hint(1, _send_nudge, (queue_id,)))


def nudge_after_commit(queue_id: int | None) -> None:
    if queue_id is not None:
        transaction.on_commit(partial(nudge, queue_id), robust=True)


def nudge_bulk(bulk_id: int) -> None:
    """Ask a worker to carry a bulk action on."""
    messenger.post(Hint(1, _send_bulk_nudge, (bulk_id,)))


def nudge_bulk_after_commit(bulk_id: int) -> None:
    transaction.on_commit(partial(nudge_bulk, bulk_id), robust=True)


def hand_out() -> None:
    """Ask a worker process to let the task operator hand out its next task."""
    messenger.post(Hint(1, _send_hand_out, ()))


def hand_out_after_commit() -> None:
    transaction.on_commit(hand_out, robust=True)


def stop(*, task_id: int, attempt: int) -> None:
    """Ask whichever worker carries this attempt out to stop it."""
    messenger.post(Hint(0, _send_stop, (task_id, attempt)))


def stop_after_commit(*, task_id: int, attempt: int) -> None:
    transaction.on_commit(partial(stop, task_id=task_id, attempt=attempt), robust=True)


def _send_nudge(queue_id: int) -> None:
    current_app.send_task("tasks.jobs.work_queue", args=[queue_id], expires=NUDGE_LIFETIME_SECONDS, retry=False)


def _send_bulk_nudge(bulk_id: int) -> None:
    current_app.send_task("tasks.jobs.advance_bulk_action", args=[bulk_id], expires=NUDGE_LIFETIME_SECONDS, retry=False)


def _send_hand_out() -> None:
    current_app.send_task("tasks.jobs.hand_out", expires=NUDGE_LIFETIME_SECONDS, retry=False)


def _send_stop(task_id: int, attempt: int) -> None:
    current_app.control.broadcast("stop_attempt", arguments={"task_id": task_id, "attempt": attempt})
