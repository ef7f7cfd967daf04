"""Makes the secrets of doors be found again after SECRET_KEY was changed."""

from typing import Any

from django.core.management.base import BaseCommand

from webhooks.doors import secrets


class Command(BaseCommand):
    """Digests all secrets of doors anew; may be run again, and while everything works."""

    help = "Digest the secrets of all doors with the present SECRET_KEY. Needed once after that was changed."

    def handle(self, *_arguments: Any, **_options: Any) -> None:
        self.stdout.write(f"{secrets.renew_digests()} digests were renewed.")
