"""Tokens that people make for their programs."""

import uuid
from datetime import timedelta
from typing import ClassVar, Final, Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from accounts import scopes
from accounts.models.user import User
from personalq.lib.names import NAME_LENGTH, plain_name

LONGEST_LIFE: Final = timedelta(days=366)
LIVE, EXPIRED, REVOKED = STATES = ("live", "expired", "revoked")
DIGEST_FORM: Final = r"^[0-9a-f]{64}$"
PREFIX_FORM: Final = r"^pq_[0-9A-Za-z]{6}$"


class PersonalTokenQuerySet(models.QuerySet["PersonalToken"]):
    """Adjectives for tokens."""

    def live(self) -> Self:
        """Good for something: not revoked, not past their end, of an active user."""
        return self.filter(revoked_at=None, expires_at__gt=Now(), user__is_active=True)

    def expired(self) -> Self:
        """Past their end, without anybody having revoked them."""
        return self.filter(revoked_at=None, expires_at__lte=Now())


class PersonalToken(models.Model):
    """A token that its user made for a program, with scopes and an end. What it says was shown once and is not kept."""

    id = models.BigAutoField(primary_key=True)
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    # An index of its own begins with the user.
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="personal_tokens", db_index=False)
    name = models.CharField(max_length=NAME_LENGTH, validators=[plain_name])
    prefix = models.CharField(max_length=9, editable=False, help_text="How the token begins.")
    digest = models.CharField(max_length=64, unique=True, editable=False, help_text="Keyed digest of the token.")
    scopes = ArrayField(models.CharField(max_length=32), editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="To the minute.")
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_reason = models.CharField(max_length=32, blank=True, editable=False)

    objects = PersonalTokenQuerySet.as_manager()

    class Meta:
        db_table = "access_tokens"
        verbose_name = "personal token"
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["user", "id"], name="access_tokens_of_user")]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["user", "name"],
                condition=models.Q(revoked_at__isnull=True),
                name="access_token_name_unique_per_user",
            ),
            models.CheckConstraint(condition=models.Q(digest__regex=DIGEST_FORM), name="access_token_is_digested"),
            models.CheckConstraint(condition=models.Q(prefix__regex=PREFIX_FORM), name="access_token_prefix_is_short"),
            models.CheckConstraint(
                condition=models.Q(scopes__len__gte=1, scopes__contained_by=list(scopes.ALL)),
                name="access_token_scopes_are_known",
            ),
            models.CheckConstraint(
                condition=models.Q(expires_at__gt=models.F("created_at"))
                & models.Q(expires_at__lte=models.F("created_at") + LONGEST_LIFE),
                name="access_token_ends",
            ),
            models.CheckConstraint(
                condition=models.Q(revoked_at__isnull=True, revoked_reason="")
                | (models.Q(revoked_at__isnull=False) & ~models.Q(revoked_reason="")),
                name="access_token_revocation_has_reason",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def state(self) -> str:
        """One of `STATES`. That the token's user was deactivated does not show."""
        # Whose name went on to a newer token was not revoked by anybody.
        if self.revoked_at is not None and self.revoked_reason != EXPIRED:
            return REVOKED
        return LIVE if self.expires_at > timezone.now() else EXPIRED
