"""Secrets that are replaced while the one before still counts for a while."""

import uuid
from typing import Self, TypeVar

from django.db import models
from django.db.models.functions import Now

from personalq.lib import sealing

R = TypeVar("R", bound="RotatedSecret")


class RotatedSecretQuerySet(models.QuerySet[R]):
    """Adjectives for secrets."""

    def valid(self) -> Self:
        """The present one, and those whose time has not run out."""
        return self.filter(models.Q(valid_until_at__isnull=True) | models.Q(valid_until_at__gt=Now()))


class RotatedSecret(models.Model):
    """A secret with an end; the present one has none."""

    id = models.BigAutoField(primary_key=True)
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    sealed_secret = sealing.SealedTextField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    valid_until_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="Empty: the present one.")

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"secret {self.uuid}"
