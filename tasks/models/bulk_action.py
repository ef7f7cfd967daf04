"""Bulk actions: one wish about many tasks, with its progress."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now


class BulkVerb(models.TextChoices):
    """What can be asked of many tasks at once."""

    CANCEL = "cancel"
    RETRY = "retry"
    ARCHIVE = "archive"
    MOVE = "move"


class BulkStatus(models.TextChoices):
    """How far a bulk action is."""

    WAITING = "waiting"
    RUNNING = "running"
    COMPLETE = "complete"
    STOPPED = "stopped"


UNFINISHED_BULK = (BulkStatus.WAITING, BulkStatus.RUNNING)


class BulkActionQuerySet(models.QuerySet["BulkAction"]):
    def unfinished(self) -> "BulkActionQuerySet":
        return self.filter(status__in=UNFINISHED_BULK)

    def without_tasks(self) -> "BulkActionQuerySet":
        """For everybody who does not carry it out: the list of tasks may be long."""
        return self.defer("task_ids")


class BulkAction(models.Model):
    """One verb for many tasks. Carried out, and its progress written, by `tasks.bulk` only."""

    id = models.BigAutoField(primary_key=True)
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="bulk_actions",
        editable=False,
        help_text="Who asked for it, and by whose rights it is carried out.",
    )
    action = models.CharField(max_length=16, choices=BulkVerb.choices, editable=False)
    filter = models.JSONField(editable=False, help_text="Which tasks, in the words of the one who asked.")
    criteria = models.JSONField(editable=False, help_text="The same with names resolved.")
    task_owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        editable=False,
        help_text="Whose tasks. Empty: everybody's.",
    )
    queue = models.ForeignKey(
        "tasks.Queue",
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        editable=False,
        help_text="Where tasks are moved to.",
    )
    reason = models.CharField(max_length=500, db_default="", default="", editable=False)
    status = models.CharField(
        max_length=16, choices=BulkStatus.choices, default=BulkStatus.WAITING, db_default="waiting", editable=False
    )
    task_ids = ArrayField(
        models.BigIntegerField(),
        editable=False,
        help_text="The tasks it was asked for, in the order of their ids; empty once it has ended.",
    )
    total = models.PositiveIntegerField(editable=False)
    changed = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    skipped = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    errors = models.JSONField(default=dict, editable=False, help_text="Why tasks were skipped: code and number.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    started_at = models.DateTimeField(null=True, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)

    objects = BulkActionQuerySet.as_manager()

    class Meta:
        db_table = "bulk_actions"
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            models.Index(fields=["owner", "id"], name="bulk_actions_of_owner"),
            models.Index(
                fields=["owner"], condition=Q(status__in=["waiting", "running"]), name="bulk_actions_unfinished"
            ),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(action__in=BulkVerb.values), name="bulk_action_known"),
            models.CheckConstraint(
                condition=Q(status__in=["waiting", "running"], finished_at__isnull=True)
                | Q(status__in=["complete", "stopped"], finished_at__isnull=False),
                name="bulk_action_finish_time_exactly_when_finished",
            ),
            models.CheckConstraint(
                condition=Q(total__gte=F("changed") + F("skipped")), name="bulk_action_counts_within_total"
            ),
            models.CheckConstraint(
                condition=~Q(status="complete") | Q(total=F("changed") + F("skipped")),
                name="bulk_action_complete_when_all_processed",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} of {self.total} tasks"

    @property
    def is_unfinished(self) -> bool:
        return self.status in UNFINISHED_BULK

    @property
    def processed(self) -> int:
        """How many of its tasks have been dealt with, which is also where in `task_ids` the next one stands."""
        return self.changed + self.skipped
