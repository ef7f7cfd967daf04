"""Writing history: one event for each change, in the change's own transaction."""

from typing import Any, Final

from accounts.models import User
from tasks import signals
from tasks.models import Task, TaskEvent

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
ADOPTED: Final = "task_changed_outside"

KINDS: Final = (
    CREATED, STARTED, OUTPUT, COMPLETED, FAILED, CANCELLED, RETRIED,
    BACKLOGGED, RELEASED, ARCHIVED, RESTORED, EDITED, ADOPTED,
)  # fmt: skip


def record(task: Task, kind: str, *, actor: User | None = None, **data: Any) -> TaskEvent:
    """Write one event of a task; the caller holds the task's row lock and an open transaction."""
    if actor is not None:
        data["by"] = actor.get_username()
    event = TaskEvent.objects.create(task=task, owner_id=task.owner_id, attempt=task.attempts, kind=kind, data=data)
    signals.task_event_recorded.send(sender=TaskEvent, event=event)
    return event
