"""What a request with an Idempotency-Key was answered."""

from datetime import timedelta
from typing import ClassVar, Final, Self

from django.db import models
from django.db.models.functions import Now

from accounts.models.user import User

KEY_LENGTH: Final = 255
LIFETIME: Final = timedelta(hours=24)


class IdempotencyKeyQuerySet(models.QuerySet["IdempotencyKey"]):
    """Adjectives for keys."""

    def expired(self) -> Self:
        """As good as gone: a key is kept for 24 hours."""
        return self.filter(created_at__lte=Now() - LIFETIME)


class IdempotencyKey(models.Model):
    """A key that its owner has used, and the answer to give when it is used again."""

    id = models.BigAutoField(primary_key=True)
    # The unique constraint has an index that begins with the owner.
    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+", db_index=False)
    key = models.CharField(max_length=KEY_LENGTH)
    fingerprint = models.CharField(max_length=64, help_text="Keyed digest of method, path and body.")
    status = models.PositiveSmallIntegerField()
    headers = models.JSONField(default=dict)
    # Null: the answer held a secret and cannot be shown again.
    body = models.BinaryField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = IdempotencyKeyQuerySet.as_manager()

    class Meta:
        db_table = "idempotency_keys"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["owner", "key"], name="idempotency_key_once"),
            models.CheckConstraint(condition=models.Q(status__range=(200, 399)), name="idempotency_key_keeps_no_error"),
        ]
        indexes: ClassVar = [models.Index(fields=["created_at"], name="idempotency_keys_age")]

    def __str__(self) -> str:
        return f"idempotency key {self.pk}"
