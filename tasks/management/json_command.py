"""Commands for programs: JSON on standard output, one line of JSON on standard error when it went wrong."""

import json
import logging
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Final

from django.core.management.base import BaseCommand, CommandParser
from django.db import ProgrammingError

from accounts.models import User
from personalq.lib import afterwards
from personalq.lib.database_guards import is_outage
from personalq.lib.errors import AppError, NotFound, Unavailable
from personalq.lib.problems import sentence_of
from personalq.lib.translation import app_error_from
from tasks.cli import personalq_cli
from tasks.cli.personalq_cli import CliError

FAILED: Final = 1
NO_DATABASE: Final = "The database cannot be reached. Start it, or correct DATABASE_URL, and run the command again."
OTHER_DATABASE: Final = "The database is not the one of this version. Run: manage.py migrate"

UNKNOWN_NAME: Final = "No active user has this name. Correct --as, or leave it out for the first active superuser."


class NoSuchUser(NotFound):
    """There is nobody to act for."""

    code = "no_such_user"
    title = "There is no active user of this name."
    advice = "Nobody is an active superuser. Name a user with --as; manage.py ensure_first_operator makes a first one."


class JsonCommand(BaseCommand):
    """Acts for a user, on the database itself. Exit code 1 when it went wrong, 2 when it was called wrongly."""

    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--as", dest="username", default="", metavar="USERNAME", help="for whom; else the first active superuser"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            # Outside of all transactions, so what is refused is noted whatever is rolled back.
            with quiet_logs(), afterwards.gathering():
                answer = self.answer(actor=find_user(options["username"]), options=Namespace(**options))
        except Exception as error:
            if (report := report_of(error)) is None:
                raise
            self.stderr.write(json.dumps(report), style_func=str)
            sys.exit(FAILED)
        self.stdout.write(json.dumps(answer, indent=2))
        self.end(answer)

    def answer(self, *, actor: User, options: Namespace) -> dict[str, Any]:
        """Do it, and say what became of it."""
        raise NotImplementedError

    def end(self, answer: dict[str, Any]) -> None:
        """After the answer was written: the place for another exit code."""


class OlderTool(JsonCommand):
    """A command with the name, the flags and the answers of one of the older tools' scripts."""

    verb: ClassVar[str]
    """Of `personalq-cli`, where its flags are."""

    def add_arguments(self, parser: CommandParser) -> None:
        personalq_cli.OLDER[self.verb].add_arguments(parser)
        super().add_arguments(parser)


def find_user(username: str) -> User:
    """The active user of this name, or the first active superuser; raises NoSuchUser."""
    active = User.objects.filter(is_active=True)
    wanted = active.filter(username=username) if username else active.filter(is_superuser=True)
    found = wanted.order_by("id").first()
    if found is None:
        raise NoSuchUser(UNKNOWN_NAME if username else "")
    return found


@contextmanager
def quiet_logs() -> Iterator[None]:
    """Keep log lines away from whoever reads standard error as JSON; what went wrong is said there anyway."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(before)


def report_of(error: Exception) -> dict[str, Any] | None:
    """What is said about an error, in the older tools' words and with our code; None for a mistake of ours."""
    if isinstance(error, CliError):
        return error.report
    known = _database_error(error) or app_error_from(error)
    if known is None:
        return None
    return {"error": sentence_of(known), "status": known.status, "code": known.code}


def _database_error(error: Exception) -> AppError | None:
    if is_outage(error):
        return Unavailable(NO_DATABASE)
    if isinstance(error, ProgrammingError):
        return Unavailable(OTHER_DATABASE)
    return None
