"""Lets an operator in again who has lost the second factor, when no other one is there to take it away."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User
from accounts.second_factor import changes


class Command(BaseCommand):
    """Takes away somebody's second factor and ends their sign-ins. Whoever has the shell is trusted to do so."""

    help = "Take away the second factor of a user who has lost it; their sign-ins end, the password stays."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="The user name.")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        user = User.objects.filter(username=User.normalize_username(options["name"])).first()
        if user is None:
            raise CommandError("There is no user of this name.")
        if not changes.remove(actor=None, user=user):
            raise CommandError("This user has no second factor.")
        self.stdout.write("It is taken away. The password alone opens the account now; set up another factor.")
