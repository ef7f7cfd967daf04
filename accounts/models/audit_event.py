"""The audit trail: security-relevant acts, written once and never changed."""

from typing import ClassVar, Final

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

HEX_64: Final = r"^[0-9a-f]{64}$"
HEX_16: Final = r"^[0-9a-f]{16}$"


class Outcome(models.TextChoices):
    """How an act ended."""

    DONE = "done", "done"
    DENIED = "denied", "denied"
    CONFLICT = "conflict", "conflict"
    FAILED = "failed", "failed"


class AuditEvent(models.Model):
    """One act. It names users and objects by text and not by keys, so it outlives them."""

    id = models.BigAutoField(primary_key=True)
    uuid = models.UUIDField(unique=True, editable=False, db_default=RandomUUID())
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
    origin = models.CharField(
        max_length=64, blank=True, editable=False, help_text="Keyed hash of whoever wrote it: only the product can."
    )
    number = models.BigIntegerField(
        null=True, unique=True, editable=False, help_text="Its place in the chain; empty for a moment after the act."
    )
    seal = models.CharField(max_length=64, blank=True, editable=False)
    key_id = models.CharField(max_length=16, blank=True, editable=False)

    class Meta:
        db_table = "audit_events"
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            models.Index(fields=["owner_uuid", "id"], name="audit_events_of_owner"),
            models.Index(fields=["actor_uuid", "id"], name="audit_events_of_actor"),
            models.Index(fields=["at"], name="audit_events_by_age"),
            models.Index(fields=["id"], name="audit_events_unchained", condition=Q(number=None)),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(outcome__in=Outcome.values), name="audit_outcome_is_known"),
            models.CheckConstraint(
                condition=Q(number=None, seal="", key_id="")
                | Q(number__gt=0, seal__regex=HEX_64, key_id__regex=HEX_16),
                name="audit_number_and_seal_come_together",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.outcome} #{self.pk}"


class AuditMark(models.Model):
    """A point of the chain that outlives its rows: how far it reached, and from where on it is still there."""

    class Kind(models.TextChoices):
        HEAD = "head", "the newest chained row"
        CUT = "cut", "the newest row that was removed because of its age"

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=4, choices=Kind.choices, unique=True, editable=False)
    number = models.BigIntegerField(editable=False)
    seal = models.CharField(max_length=64, editable=False)
    at = models.DateTimeField(editable=False)
    mac = models.CharField(max_length=64, editable=False, help_text="Keyed hash over all of the above.")
    key_id = models.CharField(max_length=16, editable=False)

    class Meta:
        db_table = "audit_marks"

    def __str__(self) -> str:
        return f"{self.kind} at {self.number}"
