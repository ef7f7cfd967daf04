"""Removes old rows of the audit trail."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.audit.operating import prune
from accounts.audit.verifying import newest


class Command(BaseCommand):
    """Does at once what a job does every hour; what is left can still be verified."""

    help = "Remove the rows of the audit trail that are older than PERSONALQ_AUDIT_DAYS."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--days", type=int, help="Another age, at least 30. The job goes by the setting.")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        days: int | None = options["days"]
        if days is None and not settings.PERSONALQ_AUDIT_DAYS:
            self.stdout.write("PERSONALQ_AUDIT_DAYS is 0: the audit trail is kept for ever.")
            return
        try:
            removed = prune(days)
        except ValueError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{removed} rows removed. Witness: {newest()}")
