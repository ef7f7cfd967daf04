"""Queues: named lanes with a concurrency limit, a rate and a pause switch."""

import uuid
from typing import ClassVar, Final

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now

from tasks import names

DEFAULT_QUEUE: Final = "default"
# Everybody shares it, so it is wider than a queue of one's own.
DEFAULT_QUEUE_LIMITS: Final = {"concurrency_limit": 50}


class QueueQuerySet(models.QuerySet["Queue"]):
    def shared_default(self) -> "Queue":
        """The queue that always exists."""
        return self.get_or_create(owner=None, name=DEFAULT_QUEUE, defaults=DEFAULT_QUEUE_LIMITS)[0]


class Queue(models.Model):
    """A lane of tasks. Without an owner it is shared by everybody and belongs to the operators."""

    id = models.BigAutoField(primary_key=True)
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="queues",
        help_text="Empty: shared by everybody.",
    )
    name = models.CharField(max_length=names.NAME_LENGTH, validators=[names.queue_name])
    concurrency_limit = models.PositiveIntegerField(
        db_default=10,
        default=10,
        validators=[MinValueValidator(1), MaxValueValidator(10_000)],
        help_text="How many tasks of this queue may run at once.",
    )
    rate_limit = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(10_000)],
        help_text="How many tasks may start within one period. Empty: any number.",
    )
    rate_period_seconds = models.PositiveIntegerField(
        db_default=60,
        default=60,
        validators=[MinValueValidator(1), MaxValueValidator(86_400)],
        help_text="How long a period of the rate limit is.",
    )
    is_paused = models.BooleanField(db_default=False, default=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = QueueQuerySet.as_manager()

    class Meta:
        db_table = "queues"
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["owner", "name"],
                nulls_distinct=False,
                name="queue_name_unique_per_owner",
                violation_error_message="You already have a queue of this name.",
            ),
            models.CheckConstraint(
                condition=models.Q(concurrency_limit__gte=1, concurrency_limit__lte=10_000),
                name="queue_concurrency_limit_in_range",
            ),
            models.CheckConstraint(
                condition=models.Q(rate_period_seconds__gte=1, rate_period_seconds__lte=86_400)
                & (models.Q(rate_limit__isnull=True) | models.Q(rate_limit__gte=1, rate_limit__lte=10_000)),
                name="queue_rate_in_range",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_shared(self) -> bool:
        return self.owner_id is None
