"""What somebody has besides their password: an app that shows codes, and codes on paper for the day it is lost."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from accounts.models.user import User
from personalq.lib.sealing import FORM, SealedTextField


class SecondFactor(models.Model):
    """One user's app for codes (TOTP, RFC 6238). It counts once its owner has shown a first code of it."""

    id = models.BigAutoField(primary_key=True)
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="second_factor")
    secret = SealedTextField(help_text="Base32, sealed.")
    confirmed_at = models.DateTimeField(null=True, editable=False)
    last_step = models.BigIntegerField(
        default=0, editable=False, help_text="The time step of the newest code that was taken: none is good twice."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "second_factors"
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(secret__regex=FORM), name="second_factor_secret_is_sealed")
        ]

    def __str__(self) -> str:
        return f"second factor {self.uuid}"


class RecoveryCode(models.Model):
    """A code that stands in for the app once."""

    id = models.BigAutoField(primary_key=True)
    factor = models.ForeignKey(SecondFactor, on_delete=models.CASCADE, related_name="recovery_codes")
    digest = models.CharField(max_length=64, unique=True, editable=False, help_text="Keyed hash; the code is not kept.")
    used_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        db_table = "recovery_codes"

    def __str__(self) -> str:
        return f"recovery code {self.pk}"
