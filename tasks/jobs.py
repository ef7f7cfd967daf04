"""The Celery functions of this app, and what a worker process does when it starts and ends."""

from typing import Any

from celery import shared_task
from celery.signals import worker_ready, worker_shutdown
from celery.worker.control import control_command
from django.conf import settings

from tasks import bulk, engine, retention, task_operator
from tasks.claims import Claim
from tasks.runners.command import sweep_scratch, tell_what_is_missing
from tasks.schedules import firing
from tasks.sweep import sweep as heal


@shared_task(name="tasks.jobs.work_queue")
def work_queue(queue_id: int) -> None:
    """Take what a queue has to offer; the tasks themselves go on after this returns."""
    engine.current().work(queue_id)


@shared_task(name="tasks.jobs.sweep")
def sweep() -> None:
    heal()


@shared_task(name="tasks.jobs.hand_out")
def hand_out() -> None:
    """Let the task operator hand out its next task."""
    task_operator.hand_out()


@shared_task(name="tasks.jobs.fire_schedules")
def fire_schedules() -> None:
    """Bring in the tasks of schedules that are due."""
    firing.fire_due()


@shared_task(name="tasks.jobs.advance_bulk_action")
def advance_bulk_action(bulk_id: int) -> None:
    """Carry a bulk action on for about two seconds; it asks for its next turn itself."""
    bulk.advance(bulk_id)


@shared_task(name="tasks.jobs.prune")
def prune() -> None:
    """Remove the contents of finished tasks that are older than the setting says."""
    retention.prune()


@control_command(args=[("task_id", int), ("attempt", int)])
def stop_attempt(state: Any, task_id: int, attempt: int) -> dict[str, str]:  # noqa: ARG001 - Celery's signature
    """Stop an attempt that runs in this process, without waiting for the watch to notice."""
    engine.current().stop_attempt(Claim(task_id=task_id, attempt=attempt))
    return {"ok": "asked to stop"}


@worker_ready.connect
def begin(**_: Any) -> None:
    """What an earlier worker left behind is taken up at once rather than with the next tick."""
    sweep_scratch()
    tell_what_is_missing()
    # From now on it shows that it is alive, also while there is nothing to do.
    engine.current()
    sweep.apply_async(retry=False)


@worker_shutdown.connect
def end(**_: Any) -> None:
    engine.shut_down(settings.PERSONALQ_SHUTDOWN_SECONDS)
