"""What the limits remember: turns in shared queues, recent starts of queues with a rate, allowances of users."""

from typing import ClassVar

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models


class QueueTurn(models.Model):
    """When a user's task was last started in a queue: whoever waits longest has the next turn."""

    id = models.BigAutoField(primary_key=True)
    queue = models.ForeignKey("tasks.Queue", on_delete=models.CASCADE, related_name="turns")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="queue_turns")
    at = models.DateTimeField()

    class Meta:
        db_table = "queue_turns"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["queue", "owner"], name="queue_turn_unique_per_owner"),
        ]

    def __str__(self) -> str:
        return f"queue {self.queue_id}, owner {self.owner_id}"


class QueueStart(models.Model):
    """One start in a queue that has a rate limit; kept for one period."""

    id = models.BigAutoField(primary_key=True)
    queue = models.ForeignKey("tasks.Queue", on_delete=models.CASCADE, related_name="starts")
    at = models.DateTimeField()

    class Meta:
        db_table = "queue_starts"
        indexes: ClassVar = [models.Index(fields=["queue", "at"], name="queue_starts_by_time")]

    def __str__(self) -> str:
        return f"queue {self.queue_id} at {self.at}"


class UserLimits(models.Model):
    """What the operators allow one user, where it differs from what everybody gets."""

    id = models.BigAutoField(primary_key=True)
    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="task_limits")
    running_limit = models.PositiveIntegerField(
        validators=[MinValueValidator(1), MaxValueValidator(10_000)],
        help_text="How many of the user's tasks may run at once, over all queues and agents.",
    )

    class Meta:
        db_table = "user_limits"
        verbose_name_plural = "user limits"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(running_limit__gte=1, running_limit__lte=10_000), name="user_running_limit_in_range"
            ),
        ]

    def __str__(self) -> str:
        return f"limits of {self.user}"
