"""Notices by e-mail: who wants which, and what is still to be told."""

import uuid
from typing import ClassVar, Final

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

MOST_BATCH_MINUTES: Final = 1440


class NoticeKind(models.TextChoices):
    """What a notice is about."""

    FINISHED = "finished", "a task is finished"
    FAILED = "failed", "a task failed"
    APPROVAL = "approval", "something waits for your approval"
    BUDGET = "budget", "a budget is nearly or fully used"
    ENDPOINT = "endpoint", "a webhook endpoint was switched off"


class NoticeChoiceQuerySet(models.QuerySet["NoticeChoice"]):
    def due(self) -> "NoticeChoiceQuerySet":
        """With something to tell whose time has come, in nobody's hands."""
        is_free = Q(claimed_until_at__isnull=True) | Q(claimed_until_at__lte=Now())
        return self.filter(is_free, due_at__lte=Now())


class NoticeChoice(models.Model):
    """What a user wants to be told by e-mail; nothing, until they say so."""

    id = models.BigAutoField(primary_key=True)
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    owner = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notice_choice", editable=False
    )
    wants_finished = models.BooleanField(default=False)
    wants_failed = models.BooleanField(default=False)
    wants_approval = models.BooleanField(default=False)
    wants_budget = models.BooleanField(default=False)
    wants_endpoint = models.BooleanField(default=False)
    batch_minutes = models.PositiveIntegerField(
        default=5,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_BATCH_MINUTES)],
        help_text="What happens within this time comes in one e-mail.",
    )
    epoch = models.PositiveIntegerField(
        default=0, editable=False, help_text="Raised by each change, which ends the links of earlier e-mails."
    )
    due_at = models.DateTimeField(null=True, editable=False, help_text="When the next e-mail goes out.")
    claimed_until_at = models.DateTimeField(null=True, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = NoticeChoiceQuerySet.as_manager()

    class Meta:
        db_table = "notice_choices"
        indexes: ClassVar = [
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="notice_choices_due")
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(batch_minutes__gte=1, batch_minutes__lte=MOST_BATCH_MINUTES), name="notice_batch_in_range"
            )
        ]

    def __str__(self) -> str:
        return f"notices of user {self.owner_id}"


class Notice(models.Model):
    """One thing to be told by e-mail, written together with its event."""

    id = models.BigAutoField(primary_key=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notices", editable=False
    )
    kind = models.CharField(max_length=16, choices=NoticeKind.choices, editable=False)
    task = models.ForeignKey("tasks.Task", on_delete=models.CASCADE, null=True, related_name="+", editable=False)
    facts = models.JSONField(default=dict, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    sent_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        db_table = "notices"
        ordering: ClassVar = ["id"]
        indexes: ClassVar = [
            models.Index(fields=["owner", "id"], condition=Q(sent_at__isnull=True), name="notices_to_send")
        ]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(kind__in=NoticeKind.values), name="notice_kind_is_known")
        ]

    def __str__(self) -> str:
        return f"{self.kind} #{self.pk}"
