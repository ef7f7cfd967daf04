"""Gives the product's database role what it needs and no more."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import app_role
from personalq.lib.errors import AppError


class Command(BaseCommand):
    """To be run after each migration, as the role that owns the tables."""

    help = (
        "Give a database role rights on the product's rows and nothing else: the role that web, worker and beat sign "
        "in with, while migrations run as the owner of the tables. Run it after each migration, as that owner."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("role", help="A role that may log in and owns nothing.")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        try:
            app_role.grant(role=options["role"])
        except AppError as error:
            raise CommandError(f"{error} {error.advice}") from error
        self.stdout.write(f"{options['role']} has rights on rows, and on the audit trail to add, chain and prune.")
