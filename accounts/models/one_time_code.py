"""Codes that are good once: to choose a new password, to make an account, to prove an e-mail address."""

import uuid
from typing import ClassVar, Self

from django.db import models
from django.db.models.functions import Now

from accounts.models.user import User


class OneTimeCodeQuerySet(models.QuerySet["OneTimeCode"]):
    """Adjectives for codes."""

    def live(self) -> Self:
        return self.filter(used_at=None, expires_at__gt=Now())


class OneTimeCode(models.Model):
    """One code. Its text exists in the message or answer that brings it to somebody, and here only its keyed hash."""

    class Purpose(models.TextChoices):
        RESET = "reset", "a new password"
        INVITATION = "invitation", "a new account"
        EMAIL = "email", "a new e-mail address"

    id = models.BigAutoField(primary_key=True)
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    purpose = models.CharField(max_length=10, choices=Purpose.choices, editable=False)
    user = models.ForeignKey(User, null=True, on_delete=models.CASCADE, related_name="+", help_text="Whom it concerns.")
    made_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    stamp = models.CharField(
        max_length=64, blank=True, editable=False, help_text="Of the user's password: a newer one ends the code."
    )
    details = models.JSONField(default=dict, editable=False, help_text="What it leads to, such as an e-mail address.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField(editable=False)
    used_at = models.DateTimeField(null=True, editable=False)

    objects = OneTimeCodeQuerySet.as_manager()

    class Meta:
        db_table = "one_time_codes"
        indexes: ClassVar = [models.Index(fields=["purpose", "expires_at"], name="one_time_codes_by_end")]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(purpose="invitation") | models.Q(user__isnull=False),
                name="one_time_code_concerns_somebody",
            )
        ]

    def __str__(self) -> str:
        return f"code for {self.get_purpose_display()} {self.uuid}"
