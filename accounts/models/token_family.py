"""The families of tokens that sign-ins began."""

import uuid
from typing import ClassVar, Self

from django.db import models
from django.db.models.functions import Now

from accounts.models.user import User


class TokenFamilyQuerySet(models.QuerySet["TokenFamily"]):
    """Adjectives for families."""

    def live(self) -> Self:
        """Whose tokens are good: not revoked, not past their end, of an active user, not without session."""
        return self.filter(revoked_at=None, expires_at__gt=Now(), user__is_active=True).exclude(
            kind=TokenFamily.Kind.PAGE, session=None
        )


class TokenFamily(models.Model):
    """All tokens that descend from one sign-in: refreshing replaces, reuse or sign-out revokes them all."""

    class Kind(models.TextChoices):
        API = "api", "API sign-in"
        PAGE = "page", "Browser session"

    id = models.BigAutoField(primary_key=True)
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="token_families")
    kind = models.CharField(max_length=8, choices=Kind.choices, default=Kind.API)
    # Page tokens end with the browser's session, whoever deletes that: sign-out, a new key, a clean-up.
    session = models.OneToOneField(
        "sessions.Session", null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )
    refresh_digest = models.CharField(
        max_length=64,
        blank=True,
        help_text="SHA-256 of the id of the one refresh token that is still good.",
    )
    address = models.CharField(max_length=64, blank=True, editable=False, help_text="From where it began.")
    user_agent = models.CharField(
        max_length=200, blank=True, editable=False, help_text="What the client called itself."
    )
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="Noted once a minute at most.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField(help_text="No token of the family outlives this.")
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_reason = models.CharField(max_length=32, blank=True)

    objects = TokenFamilyQuerySet.as_manager()

    class Meta:
        db_table = "token_families"
        verbose_name_plural = "token families"
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["user", "expires_at"], name="token_families_user")]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(revoked_at__isnull=True, revoked_reason="")
                | (models.Q(revoked_at__isnull=False) & ~models.Q(revoked_reason="")),
                name="token_family_revocation_has_reason",
            ),
            models.CheckConstraint(
                condition=models.Q(kind="page") | models.Q(session__isnull=True),
                name="token_family_session_is_of_a_page",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} sign-in {self.uuid}"
