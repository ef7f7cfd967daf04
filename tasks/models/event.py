"""The history of tasks and schedules: what sockets, pages and webhooks replay."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Func, Q
from django.db.models.functions import Now


class NextEventId(Func):
    """The next number of the global sequence, guarded so that readers can wait for it (docs/decisions/0001)."""

    function = "next_task_event_id"
    template = "%(function)s()"
    arity = 0


class TaskEvent(models.Model):
    """One thing that happened to a task or to a schedule, numbered by one global sequence.

    Never changed, except that its texts go with the contents of its task.
    """

    id = models.BigIntegerField(primary_key=True, db_default=NextEventId(), editable=False)
    task = models.ForeignKey("tasks.Task", on_delete=models.CASCADE, null=True, related_name="events", editable=False)
    schedule = models.ForeignKey(
        "tasks.Schedule", on_delete=models.CASCADE, null=True, related_name="events", editable=False
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="task_events",
        editable=False,
        help_text="Whose it is, repeated so that one index serves everything a person may see.",
    )
    attempt = models.PositiveIntegerField(editable=False)
    kind = models.CharField(max_length=32, editable=False)
    data = models.JSONField(default=dict, editable=False)
    at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "task_events"
        ordering: ClassVar = ["id"]
        indexes: ClassVar = [
            models.Index(fields=["task", "id"], name="task_events_of_task"),
            models.Index(fields=["owner", "id"], name="task_events_of_owner"),
            models.Index(
                fields=["schedule", "id"], condition=Q(schedule__isnull=False), name="task_events_of_schedule"
            ),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(task__isnull=False, schedule__isnull=True) | Q(task__isnull=True, schedule__isnull=False),
                name="task_event_tells_of_one_thing",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} #{self.id}"
