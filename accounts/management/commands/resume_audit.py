"""Lets a broken audit trail go on, for good and visibly."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.audit.operating import resume
from accounts.audit.verifying import verify


class Command(BaseCommand):
    """For after an incident, or after the keys were lost: new rows are chained again, and one says that and why."""

    help = (
        "Chain the audit trail on behind its newest row although the mark of its end is missing or was changed. "
        "What is wrong with earlier rows stays to be found. Run verify_audit and keep its output first."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--reason", required=True, help="Why, for whoever reads the trail later.")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        found = verify()
        if not {"head_missing", "head_forged"} & {fault.code for fault in found.faults}:
            raise CommandError("The audit trail is chained on as it is. There is nothing to resume.")
        number = resume(found, options["reason"])
        self.stdout.write(f"The audit trail goes on after row {number}. The row audit.resumed says why.")
