"""Writing history: one event for each change, in the change's own transaction."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from django.db import connection

from accounts.models import User
from tasks import signals
from tasks.models import Schedule, Task, TaskEvent

CREATED: Final = "task_created"
STARTED: Final = "task_started"
OUTPUT: Final = "task_output"
COMPLETED: Final = "task_completed"
FAILED: Final = "task_failed"
CANCELLED: Final = "task_cancelled"
RETRIED: Final = "task_retried"
BACKLOGGED: Final = "task_backlogged"
RELEASED: Final = "task_released"
ARCHIVED: Final = "task_archived"
RESTORED: Final = "task_restored"
EDITED: Final = "task_edited"
MOVED: Final = "task_moved"
HELD: Final = "task_held"
ADOPTED: Final = "task_changed_outside"
PARKED: Final = "task_parked"
ARTIFACT: Final = "task_artifact"
APPROVAL_REQUESTED: Final = "task_approval_requested"
APPROVED: Final = "task_approved"
DENIED: Final = "task_denied"
BUDGET_WARNING: Final = "task_budget_warning"
ALARM: Final = "task_alarm"
HANDED_OUT: Final = "task_handed_out"
TAKEN_BACK: Final = "task_taken_back"
PRUNED: Final = "task_pruned"

SCHEDULE_CREATED: Final = "schedule_created"
SCHEDULE_CHANGED: Final = "schedule_changed"
SCHEDULE_PAUSED: Final = "schedule_paused"
SCHEDULE_RESUMED: Final = "schedule_resumed"
SCHEDULE_DELETED: Final = "schedule_deleted"
SCHEDULE_FIRED: Final = "schedule_fired"
SCHEDULE_SKIPPED: Final = "schedule_skipped"
SCHEDULE_LATE: Final = "schedule_late"
SCHEDULE_MISSED: Final = "schedule_missed"
SCHEDULE_FAILED: Final = "schedule_failed"

KINDS: Final = (
    CREATED, STARTED, OUTPUT, COMPLETED, FAILED, CANCELLED, RETRIED,
    BACKLOGGED, RELEASED, ARCHIVED, RESTORED, EDITED, MOVED, HELD, ADOPTED,
    PARKED, ARTIFACT, APPROVAL_REQUESTED, APPROVED, DENIED, BUDGET_WARNING, ALARM,
    HANDED_OUT, TAKEN_BACK, PRUNED,
    SCHEDULE_CREATED, SCHEDULE_CHANGED, SCHEDULE_PAUSED, SCHEDULE_RESUMED, SCHEDULE_DELETED,
    SCHEDULE_FIRED, SCHEDULE_SKIPPED, SCHEDULE_LATE, SCHEDULE_MISSED, SCHEDULE_FAILED,
)  # fmt: skip


def record(task: Task, kind: str, *, actor: User | None = None, **data: Any) -> TaskEvent:
    """Write one event of a task; the caller holds the task's row lock and an open transaction."""
    return _write(_event(task, kind, actor, data))


def record_for_schedule(schedule: Schedule, kind: str, *, actor: User | None = None, **data: Any) -> TaskEvent:
    """Write one event of a schedule; the caller holds the schedule's row lock and an open transaction."""
    told = {"name": schedule.name, **data, **_by(actor)}
    return _write(TaskEvent(schedule=schedule, owner_id=schedule.owner_id, attempt=0, kind=kind, data=told))


def record_each(
    tasks: Sequence[Task], kind: str, *, actor: User | None = None, data_of: Callable[[Task], dict[str, Any]]
) -> None:
    """Write one event of the same kind for each task, in their order; otherwise as `record`."""
    unwritten = [_event(task, kind, actor, data_of(task)) for task in tasks]
    if len(unwritten) == 1:
        _write(unwritten[0])
    else:
        _tell(TaskEvent.objects.bulk_create(_numbered(unwritten)))


def _event(task: Task, kind: str, actor: User | None, data: dict[str, Any]) -> TaskEvent:
    told = {**data, **_by(actor)}
    return TaskEvent(task=task, owner_id=task.owner_id, attempt=task.attempts, kind=kind, data=told)


def _by(actor: User | None) -> dict[str, Any]:
    return {} if actor is None else {"by": actor.get_username()}


def _write(event: TaskEvent) -> TaskEvent:
    event.save(force_insert=True)
    _tell([event])
    return event


def _numbered(unwritten: list[TaskEvent]) -> list[TaskEvent]:
    # Django does not read keys back that the database gives to many rows, and receivers need them.
    with connection.cursor() as cursor:
        cursor.execute("SELECT next_task_event_id() FROM generate_series(1, %s)", [len(unwritten)])
        for event, (number,) in zip(unwritten, cursor.fetchall(), strict=True):
            event.id = number
    return unwritten


def _tell(written: Sequence[TaskEvent]) -> None:
    signals.task_events_recorded.send(sender=TaskEvent, events=written)
