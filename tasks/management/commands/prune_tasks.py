"""Removes the contents of finished tasks whose time is over."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from tasks import retention


class Command(BaseCommand):
    """Does at once what a job does every hour, or tells what that would be."""

    help = "Remove the texts and files of finished tasks that are older than PERSONALQ_TASK_DAYS."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--older-than", type=int, metavar="DAYS", help="Another age, at least 1.")
        parser.add_argument("--dry-run", action="store_true", help="Change nothing, tell what would be removed.")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        days: int | None = options["older_than"]
        if days is None and not settings.PERSONALQ_TASK_DAYS:
            self.stdout.write("PERSONALQ_TASK_DAYS is 0: the contents of tasks are kept for ever.")
            return
        is_dry = options["dry_run"]
        try:
            found = retention.count(days) if is_dry else retention.prune(days)
        except ValueError as error:
            raise CommandError(str(error)) from error
        for one in found:
            name = "nobody" if one.owner is None else one.owner.get_username()
            self.stdout.write(f"{name}: {one.tasks} tasks, {one.files} files")
        tasks, files = sum(one.tasks for one in found), sum(one.files for one in found)
        self.stdout.write(f"{tasks} tasks and {files} files {'would lose' if is_dry else 'lost'} their contents.")
