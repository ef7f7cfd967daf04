"""Makes a database role for tools that were taught SQL (docs/sql.md)."""

import os
from pathlib import Path
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from psycopg.conninfo import make_conninfo

from personalq.lib.errors import AppError
from tasks import sql_access

_OPTIONS_OF_CONNECTIONS: Final = ("sslmode", "sslrootcert")
_ONCE: Final = "It is shown only this once and stored nowhere. Keep it."


class Command(BaseCommand):
    """A role that may read and write the older columns of tasks without an owner, and nothing else."""

    help = (
        "Make a database role for tools that were taught SQL, or renew its rights. It sees the older columns of tasks "
        "that came by SQL or import, and nothing else. Its password is made here and shown once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME", help="Lower-case letters, digits and underscores.")
        parser.add_argument(
            "--password-file", metavar="FILE", type=Path, help="Write a new password to this new file (0600) instead."
        )
        parser.add_argument("--new-password", action="store_true", help="Give a role that is there another password.")
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--drop", action="store_true", help="Remove the role and end its connections.")
        what.add_argument(
            "--print-sql", action="store_true", help="Only print what an administrator of the database has to run."
        )

    def handle(self, *_arguments: Any, **options: Any) -> None:
        kept = Kept(options["password_file"])
        try:
            self._act(options, kept)
        except AppError as error:
            raise CommandError(f"{error.title} {error.detail}") from error
        finally:
            kept.discard()

    def _act(self, options: dict[str, Any], kept: "Kept") -> None:
        name = options["name"]
        if options["drop"]:
            sql_access.drop(name=name)
            self.stdout.write(f"The role {name} is gone.")
        elif options["print_sql"]:
            self._print_sql(name, kept)
        else:
            self._create(name, kept, renews_password=options["new_password"])

    def _print_sql(self, name: str, kept: "Kept") -> None:
        kept.open()
        script, password = sql_access.write_script(name=name)
        # Standard output is for the database alone.
        self.stderr.write(kept.keep(name, password))
        self.stdout.write(script)

    def _create(self, name: str, kept: "Kept", *, renews_password: bool) -> None:
        kept.open()
        made = sql_access.create(name=name, renews_password=renews_password)
        self.stdout.write(f"The role {name} is {'made' if made.is_new else 'renewed'}.")
        if made.password is None:
            self.stdout.write("It keeps its password; --new-password gives it another one.")
        else:
            self.stdout.write(kept.keep(name, made.password))
        self.stdout.write(f"Connect: {describe_connection(name)}")
        if made.doors:
            self.stderr.write("It may still do what an administrator of the database has to end:")
            self.stderr.write("\n".join(sql_access.describe_doors(made.doors)))


class Kept:
    """Where a new password goes: to the screen, or to a file that nobody had before."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._descriptor: int | None = None

    def open(self) -> None:
        """Make the file before anything else happens. Raises CommandError when there is one already."""
        if self._path is None:
            return
        try:
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise CommandError(
                f"{self._path} cannot be made ({error.strerror}). Name a file that is not there."
            ) from error

    def keep(self, name: str, password: str) -> str:
        """Put the password there. Returns what to tell."""
        if self._path is None or self._descriptor is None:
            return f"The password of {name}: {password}\n{_ONCE}"
        with os.fdopen(self._descriptor, "w") as file:
            file.write(f"{password}\n")
        self._path = self._descriptor = None
        return f"The password of {name} is in the file."

    def discard(self) -> None:
        """Remove a file into which nothing was written."""
        if self._path is not None and self._descriptor is not None:
            os.close(self._descriptor)
            self._path.unlink(missing_ok=True)
        self._descriptor = None


def describe_connection(name: str) -> str:
    """The command that connects as the role, without its password."""
    used = connection.settings_dict
    chosen = {key: used["OPTIONS"][key] for key in _OPTIONS_OF_CONNECTIONS if key in used.get("OPTIONS", {})}
    where = make_conninfo(
        host=used["HOST"] or None, port=used["PORT"] or None, dbname=used["NAME"], user=name, **chosen
    )
    return f'psql "{where}"'
