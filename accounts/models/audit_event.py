"""The audit trail: security-relevant acts, written once and never changed."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class Outcome(models.TextChoices):
    """How an act ended."""

    DONE = "done", "done"
    DENIED = "denied", "denied"
    CONFLICT = "conflict", "in conflict with another one"
    FAILED = "failed", "failed"


class AuditEvent(models.Model):
    """One act. It names users and objects by text and not by keys, so it outlives them."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(db_default=Now(), editable=False)
    kind = models.CharField(max_length=48, editable=False)
    outcome = models.CharField(max_length=8, choices=Outcome.choices, editable=False)
    actor_uuid = models.UUIDField(null=True, editable=False, help_text="Empty: nobody who is known.")
    actor_name = models.CharField(max_length=150, blank=True, editable=False)
    owner_uuid = models.UUIDField(null=True, editable=False, help_text="Whom it concerns, and who may read it.")
    object_kind = models.CharField(max_length=32, blank=True, editable=False)
    object_uuid = models.UUIDField(null=True, editable=False)
    address = models.CharField(max_length=64, blank=True, editable=False, help_text="The client's, as far as known.")
    request_id = models.CharField(max_length=64, blank=True, editable=False)
    facts = models.JSONField(default=dict, editable=False)

    class Meta:
        db_table = "audit_events"
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            models.Index(fields=["owner_uuid", "id"], name="audit_events_of_owner"),
            models.Index(fields=["at"], name="audit_events_by_age"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(outcome__in=Outcome.values), name="audit_outcome_is_known")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.outcome} #{self.pk}"
