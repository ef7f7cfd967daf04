"""Lets the person who installed the product in: once, with a password that nobody chose."""

import secrets
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction

from accounts import audit
from accounts.models import User
from accounts.models.audit_event import Outcome

USERNAME = "admin"
# Any number will do, as long as nothing else takes the same advisory lock.
LOCK_NUMBER = 7_305_120_881
PASSWORD_BYTES = 16


class Command(BaseCommand):
    """Creates the superuser `admin` unless there is a superuser; prints the password once."""

    help = "Create the first operator if there is none, and print how to sign in."

    def handle(self, *_arguments: Any, **_options: Any) -> None:
        self.stdout.write(self._ensure())

    @transaction.atomic
    def _ensure(self) -> str:
        wait_for_turn()
        existing = User.objects.filter(is_superuser=True, is_active=True).order_by("id").first()
        if existing is None:
            return create_first_operator()
        name = existing.get_username()
        manage = f"{sys.executable} {settings.BASE_DIR / 'manage.py'}"
        return f"Sign in as {name}. Forgot the password? Set a new one: {manage} changepassword {name}"


def create_first_operator() -> str:
    """Create the user. Returns the sentence that holds the password.

    Raises: CommandError when an ordinary or disabled user already has the name.
    """
    if User.objects.filter(username=USERNAME).exists():
        raise CommandError(
            f"There is no active operator, but a user `{USERNAME}` exists who is none. "
            "Make one yourself: python manage.py createsuperuser"
        )
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    user = User.objects.create_superuser(username=USERNAME, password=password)
    audit.record("user.made", Outcome.DONE, owner=user, about=("user", user.uuid), by="command")
    return (
        f"Sign in as {USERNAME} with the password {password}\nIt is shown only this once and stored nowhere. Keep it."
    )


def wait_for_turn() -> None:
    """Two first starts at once would both find nobody; the second waits until the first has committed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK_NUMBER])
