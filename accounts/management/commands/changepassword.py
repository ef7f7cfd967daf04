"""Sets somebody's password from the shell: for whoever cannot sign in any more, the first operator above all.

It takes the place of Django's command of this name, which knows nothing of what a new password ends.
"""

import getpass
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import passwords
from accounts.models import User
from personalq.lib.errors import InvalidInput

TRIES: Final = 3


class Command(BaseCommand):
    """Asks for the new password twice, without showing it."""

    help = "Set a user's password. Every sign-in of theirs ends and, without --keep-tokens, every personal token."
    requires_migrations_checks = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", help="Whose password it is.")
        parser.add_argument("--keep-tokens", action="store_true", help="Let the user's personal tokens go on.")

    def handle(self, *_arguments: Any, **options: Any) -> str:
        name = User.normalize_username(options["username"])
        user = User.objects.filter(username=name).first()
        if user is None:
            raise CommandError("There is no user of this name.")
        for _ in range(TRIES):
            if self._try_once(user, keeps_tokens=options["keep_tokens"]):
                return f"The password of {name} is changed. Whoever was signed in as {name} is signed out."
        raise CommandError("Nothing was changed.")

    def _try_once(self, user: User, *, keeps_tokens: bool) -> bool:
        new = getpass.getpass(f"New password of {user.get_username()}: ")
        if new != getpass.getpass("Once more: "):
            self.stderr.write("The two are not the same.")
            return False
        try:
            passwords.replace(actor=None, user=user, new=new, how="command", keeps_tokens=keeps_tokens)
        except InvalidInput as refused:
            self.stderr.write("\n".join(each.message for each in refused.errors))
            return False
        return True
