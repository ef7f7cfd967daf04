"""Brings all stored secrets under the first key of PERSONALQ_ENCRYPTION_KEYS."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import audit
from accounts.key_rotation import Progress, rotate, sealed_columns
from accounts.models.audit_event import Outcome


class Command(BaseCommand):
    """Seals stored secrets anew; may be stopped, run again and run while everything works."""

    help = (
        "Encrypt all stored secrets with the first of PERSONALQ_ENCRYPTION_KEYS. It may be interrupted and run again, "
        "also while the product works. Fails when something could not be read or is left."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--check", action="store_true", help="Only count what is not under the first key; fails if there is any."
        )

    def handle(self, *_arguments: Any, **options: Any) -> None:
        if options["check"]:
            self._check()
        else:
            self._rotate()

    def _check(self) -> None:
        counts = {str(column): column.outdated().count() for column in sealed_columns()}
        for column, count in counts.items():
            self.stdout.write(f"{column}: {count} not under the first key")
        if any(counts.values()):
            raise CommandError("Some secrets are not under the first key. Run this command without --check.")

    def _rotate(self) -> None:
        done = [rotate(column, self._tell) for column in sealed_columns()]
        problems = [problem for progress in done if (problem := self._report(progress))]
        columns = {str(each.column): each.rotated for each in done}
        outcome = Outcome.FAILED if problems else Outcome.DONE
        audit.record("encryption_keys.rotated", outcome, by="command", columns=columns)
        if problems:
            raise CommandError(" ".join(problems))

    def _tell(self, progress: Progress) -> None:
        self.stdout.write(f"{progress.column}: {progress.rotated} rotated")

    def _report(self, progress: Progress) -> str:
        """What is wrong with a column once it is done, if anything is."""
        self.stdout.write(
            f"{progress.column}: done, {progress.rotated} rotated, {progress.unreadable_count} unreadable, "
            f"{progress.overtaken} left"
        )
        if progress.unreadable_count:
            named = ", ".join(progress.unreadable)
            return (
                f"{progress.column}: {progress.unreadable_count} could not be read ({named}). Set the key that sealed "
                "them, or have their owners enter them again."
            )
        if progress.overtaken:
            return f"{progress.column}: processes with other keys are still writing. Restart them, then run this again."
        return ""
