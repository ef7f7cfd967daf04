"""Users."""

import uuid
from typing import Any, ClassVar

from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models
from django.utils.crypto import salted_hmac
from django.views.decorators.debug import sensitive_variables

from accounts.password_text import normalised


class NormalisingUserManager(UserManager["User"]):
    """Makes users whose password is hashed in NFC; Django's own would hash it as it was typed."""

    def create_user(self, username: str, email: str | None = None, password: str | None = None, **more: Any) -> "User":
        return super().create_user(username, email, _in_nfc(password), **more)

    def create_superuser(
        self, username: str, email: str | None = None, password: str | None = None, **more: Any
    ) -> "User":
        return super().create_superuser(username, email, _in_nfc(password), **more)


class User(AbstractUser):
    """A person or a machine account that owns agents, queues and tasks."""

    id = models.BigAutoField(primary_key=True)
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    session_epoch = models.PositiveIntegerField(
        default=0,
        editable=False,
        help_text="Raised to end every session and token of this user at once.",
    )

    objects: ClassVar[NormalisingUserManager] = NormalisingUserManager()

    class Meta(AbstractUser.Meta):
        db_table = "users"

    @sensitive_variables()
    def set_password(self, raw_password: str | None) -> None:
        """Hash the password in NFC. `accounts.passwords` is what checks one, saves it and ends what it has to end."""
        super().set_password(_in_nfc(raw_password))

    @sensitive_variables()
    def check_password(self, raw_password: str | None) -> bool:
        """Whether this is the password. A hash that is not of today's strength is replaced by one that is."""
        return check_password(_in_nfc(raw_password), self.password, self._renew_hash)

    def get_session_auth_hash(self) -> str:
        """Keyed digest that sessions and tokens carry.

        It changes with the password, the epoch and the active flag, so each of them ends what was issued
        before.
        """
        stamp = f"{self.password}|{self.session_epoch}|{self.is_active}"
        return salted_hmac("accounts.User.session", stamp, algorithm="sha256").hexdigest()

    def get_session_auth_fallback_hash(self) -> "list[str]":
        # A session must not outlive a rotation of SECRET_KEY: fall-back keys are for signatures in transit.
        return []

    @sensitive_variables()
    def _renew_hash(self, password: str) -> None:
        # Django saves the user here. In the place of a password that was changed meanwhile, the old one would be back.
        renewed = make_password(password)
        if User.objects.filter(pk=self.pk, password=self.password).update(password=renewed):
            self.password = renewed


@sensitive_variables()
def _in_nfc(password: str | None) -> str | None:
    return None if password is None else normalised(password)
