"""Writes the audit trail as JSON lines."""

import json
import os
import re
import sys
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import IO, Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder
from django.template.defaultfilters import pluralize
from django.utils.dateparse import parse_date, parse_datetime

from accounts.audit.operating import Selection, export
from accounts.models import User

_KIND: Final = re.compile(r"[a-z0-9_]+\.[a-z0-9_]+")
KINDS: Final = "docs/audit.md lists the kinds"


class Command(BaseCommand):
    """One row per line with its number and seal, oldest first. The export is an act in the trail itself."""

    help = "Write the audit trail, or a part of it, as JSON lines to standard output or into a new file (mode 0600)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--since", metavar="TIME", help="From then on: 2026-11-22 or 2026-11-22T08:00:00Z.")
        parser.add_argument("--until", metavar="TIME", help="Only before then.")
        parser.add_argument("--kind", default="", help="Only this kind, such as sign_in.failed.")
        parser.add_argument("--owner", metavar="NAME", help="Only what a user did, or what concerns them.")
        parser.add_argument("--output", metavar="FILE", help="A file that does not exist yet.")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        wanted = Selection(
            since=_read_time("--since", options["since"]),
            until=_read_time("--until", options["until"]),
            kind=_read_kind(options["kind"]),
            owner=_find(options["owner"]),
        )
        with _open(options["output"], self.stdout._out) as file:
            count = 0
            for count, row in enumerate(export(wanted), start=1):  # noqa: B007 - told at the end
                file.write(json.dumps(row, cls=DjangoJSONEncoder, sort_keys=True) + "\n")
        told = f" {KINDS}." if wanted.kind and not count else ""
        self.stderr.write(f"{count} row{pluralize(count)}.{told}")


def _read_time(option: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        found = parse_datetime(text) or parse_date(text)
    except ValueError:
        found = None
    if found is None:
        raise CommandError(f"{option} takes a day such as 2026-11-22 or a time such as 2026-11-22T08:00:00Z.")
    if not isinstance(found, datetime):
        found = datetime(found.year, found.month, found.day, tzinfo=UTC)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _read_kind(kind: str) -> str:
    if kind and not _KIND.fullmatch(kind):
        raise CommandError(f"--kind takes a noun and a deed, such as sign_in.failed; {KINDS}.")
    return kind


def _find(name: str | None) -> User | None:
    if name is None:
        return None
    found = User.objects.filter(username=name).first()
    if found is None:
        raise CommandError(f"There is no user {name}.")
    return found


def _open(path: str | None, standard: Any) -> AbstractContextManager[IO[str]]:
    if path is None:
        return nullcontext(standard or sys.stdout)
    try:
        # Never over another file, and for nobody else's eyes whatever the umask says.
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w")
    except OSError as error:
        raise CommandError(
            f"{path} cannot be made: {error.strerror}. Name a new file in a directory of yours."
        ) from error
