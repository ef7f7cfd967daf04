"""Endpoints that get word of what happens, and each delivery to them."""

import uuid
from typing import ClassVar, Final, Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from personalq.lib import sealing
from personalq.lib.names import NAME_LENGTH, plain_name
from tasks.models.task import REQUEST_ID_LENGTH
from webhooks.models.rotation import RotatedSecret, RotatedSecretQuerySet

URL_LENGTH: Final = 2000
CODE_LENGTH: Final = 64
BODY_LENGTH: Final = 20_000
HEAD_LENGTH: Final = 1024


class OffReason(models.TextChoices):
    """Why an endpoint gets nothing."""

    OWNER = "owner", "switched off by its owner"
    GONE = "gone", "it answered 410 Gone"
    FAILING = "failing", "nothing could be delivered for days"


class EndpointQuerySet(models.QuerySet["Endpoint"]):
    """Adjectives for endpoints."""

    def free(self) -> Self:
        """Those to which something may be sent now, and to which nobody else sends."""
        is_held, is_claimed = Q(held_until_at__gt=Now()), Q(claimed_until_at__gt=Now())
        return self.filter(~is_held & ~is_claimed, off_reason="", owner__is_active=True)

    def with_due_deliveries(self) -> Self:
        """Those that something is to be sent to now, if they are free."""
        due = Delivery.objects.due().filter(endpoint=models.OuterRef("pk"))
        return self.filter(models.Exists(due))


class Endpoint(models.Model):
    """A user's address for events of their own, signed as Standard Webhooks want it."""

    id = models.BigAutoField(primary_key=True)
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="webhook_endpoints")
    name = models.CharField(max_length=NAME_LENGTH, validators=[plain_name])
    url = models.CharField(max_length=URL_LENGTH)
    kinds = ArrayField(models.CharField(max_length=32), help_text="The kinds of events that it gets.")
    off_reason = models.CharField(max_length=8, blank=True, choices=OffReason.choices, editable=False)
    off_at = models.DateTimeField(null=True, blank=True, editable=False)
    failing_since_at = models.DateTimeField(null=True, blank=True, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False, help_text="In a row.")
    held_until_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="After a failure nothing else is tried before."
    )
    claimed_until_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_delivered_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = EndpointQuerySet.as_manager()

    class Meta:
        db_table = "webhook_endpoints"
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["owner", "id"], name="webhook_endpoints_of_owner")]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["owner", "name"], name="webhook_endpoint_name_unique"),
            models.CheckConstraint(condition=Q(kinds__len__gte=1), name="webhook_endpoint_wants_something"),
            models.CheckConstraint(
                condition=Q(off_reason="", off_at__isnull=True)
                | Q(off_reason__in=OffReason.values, off_at__isnull=False),
                name="webhook_endpoint_off_is_whole",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_on(self) -> bool:
        """Whether it gets something."""
        return not self.off_reason


class EndpointSecretQuerySet(RotatedSecretQuerySet["EndpointSecret"]):
    """Adjectives for secrets of endpoints."""


class EndpointSecret(RotatedSecret):
    """What deliveries are signed with. After a rotation both sign until the old one's time is over."""

    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="secrets", editable=False)

    objects = EndpointSecretQuerySet.as_manager()

    class Meta:
        db_table = "webhook_endpoint_secrets"
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["endpoint"], condition=Q(valid_until_at__isnull=True), name="endpoint_has_one_present_secret"
            ),
            models.CheckConstraint(condition=Q(sealed_secret__regex=sealing.FORM), name="endpoint_secret_is_sealed"),
        ]


class DeliveryState(models.TextChoices):
    """How far a delivery has come."""

    PENDING = "pending", "to be delivered"
    DELIVERED = "delivered", "delivered"
    FAILED = "failed", "given up"


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    """Adjectives for deliveries."""

    def due(self) -> Self:
        """Those whose next attempt should be made by now."""
        return self.filter(due_at__lte=Now())


class Delivery(models.Model):
    """One event for one endpoint, written together with the event."""

    id = models.BigAutoField(primary_key=True)
    uuid = models.UUIDField(default=uuid.uuid4, db_default=models.Func(function="gen_random_uuid"), unique=True)
    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="deliveries", editable=False)
    # No foreign key: what was said outlives the history of a task that is deleted.
    event_id = models.BigIntegerField(default=0, db_default=0, editable=False, help_text="0: a test.")
    kind = models.CharField(max_length=32, editable=False)
    body = models.TextField(editable=False, help_text="What is sent, byte for byte the same each time.")
    state = models.CharField(
        max_length=16,
        choices=DeliveryState.choices,
        default=DeliveryState.PENDING,
        db_default=DeliveryState.PENDING,
        editable=False,
    )
    attempts = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    failures = models.PositiveIntegerField(
        default=0, db_default=0, editable=False, help_text="Since it was last asked for."
    )
    last_status = models.PositiveSmallIntegerField(null=True, editable=False, help_text="Empty: no answer.")
    last_code = models.CharField(max_length=CODE_LENGTH, blank=True, default="", db_default="", editable=False)
    due_at = models.DateTimeField(null=True, db_default=Now(), editable=False, help_text="Empty: no more attempts.")
    give_up_at = models.DateTimeField(editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    delivered_at = models.DateTimeField(null=True, editable=False)
    request_id = models.CharField(
        max_length=REQUEST_ID_LENGTH,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="The request that led to the event, or asked to send it again; empty: none did.",
    )

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        db_table = "webhook_deliveries"
        verbose_name_plural = "deliveries"
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            models.Index(fields=["endpoint", "id"], name="deliveries_of_endpoint"),
            models.Index(fields=["endpoint", "due_at"], condition=Q(due_at__isnull=False), name="deliveries_due"),
            models.Index(
                fields=["endpoint", "event_id", "id"], condition=Q(due_at__isnull=False), name="deliveries_in_order"
            ),
            models.Index(fields=["created_at"], name="deliveries_by_age"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["endpoint", "event_id"], condition=Q(event_id__gt=0), name="delivery_of_an_event_is_one"
            ),
            models.CheckConstraint(condition=Q(state__in=DeliveryState.values), name="delivery_state_is_known"),
            models.CheckConstraint(condition=Q(body__length__lte=BODY_LENGTH), name="delivery_is_thin"),
            models.CheckConstraint(
                condition=Q(state="pending", due_at__isnull=False, delivered_at__isnull=True)
                | Q(state="delivered", due_at__isnull=True, delivered_at__isnull=False)
                | Q(state="failed", due_at__isnull=True, delivered_at__isnull=True),
                name="delivery_state_is_whole",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.uuid}"


class DeliveryAttempt(models.Model):
    """One try, and how the endpoint answered."""

    id = models.BigAutoField(primary_key=True)
    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="tries", editable=False)
    number = models.PositiveIntegerField(editable=False)
    status = models.PositiveSmallIntegerField(null=True, editable=False, help_text="Empty: no answer.")
    code = models.CharField(max_length=CODE_LENGTH, blank=True, editable=False, help_text="Why it was no success.")
    seconds = models.FloatField(editable=False)
    head = models.CharField(max_length=HEAD_LENGTH, blank=True, editable=False, help_text="How the answer begins.")
    at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "webhook_delivery_attempts"
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["delivery", "number"], name="delivery_attempt_is_one")]

    def __str__(self) -> str:
        return f"attempt {self.number}"
