"""Signs of life: which processes are at work, and since when nothing was heard of them."""

from datetime import timedelta
from typing import ClassVar

from django.db import models
from django.db.models.functions import Now


class Role(models.TextChoices):
    """What somebody does."""

    WORKER = "worker"
    SWEEP = "sweep"


class HeartbeatQuerySet(models.QuerySet["Heartbeat"]):
    def seen_within(self, seconds: float) -> "HeartbeatQuerySet":
        """Heard of lately, by the database's clock alone: those of other machines may differ."""
        return self.filter(seen_at__gte=Now() - timedelta(seconds=seconds))


class Heartbeat(models.Model):
    """When a worker process, or the sweep, last showed that it can really work. Written by `tasks.heartbeats`."""

    name = models.CharField(max_length=300, primary_key=True)
    role = models.CharField(max_length=16, choices=Role.choices, editable=False)
    started_at = models.DateTimeField(editable=False)
    seen_at = models.DateTimeField(db_default=Now(), editable=False)
    data = models.JSONField(default=dict, editable=False)

    objects = HeartbeatQuerySet.as_manager()

    class Meta:
        db_table = "heartbeats"
        ordering: ClassVar = ["-seen_at"]

    def __str__(self) -> str:
        return self.name
