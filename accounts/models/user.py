"""Users."""

import uuid

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.crypto import salted_hmac


class User(AbstractUser):
    """A person or a machine account that owns agents, queues and tasks."""

    id = models.BigAutoField(primary_key=True)
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    session_epoch = models.PositiveIntegerField(
        default=0,
        editable=False,
        help_text="Raised to end every session and token of this user at once.",
    )

    class Meta(AbstractUser.Meta):
        db_table = "users"

    def get_session_auth_hash(self) -> str:
        """Keyed digest that sessions and tokens carry.

        It changes with the password, the epoch and the active flag, so each of them ends what was issued
        before.
        """
        return self._session_digest(None)

    def get_session_auth_fallback_hash(self) -> "list[str]":
        # A session must not outlive a rotation of SECRET_KEY: fall-back keys are for signatures in transit.
        return []

    def _session_digest(self, secret: str | None) -> str:
        stamp = f"{self.password}|{self.session_epoch}|{self.is_active}"
        return salted_hmac("accounts.User.session", stamp, secret=secret, algorithm="sha256").hexdigest()
