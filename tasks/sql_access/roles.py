"""Making, renewing and removing roles for SQL."""

import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from psycopg import errors, sql

from personalq.lib.errors import Conflict, InvalidInput, PermissionDenied
from tasks import trail
from tasks.sql_access import statements
from tasks.sql_access.doors import EVERYBODY, Door, close_doors, find_doors

PASSWORD_BYTES: Final = 32
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
# Words that SQL or the server read otherwise where a role is named.
_RESERVED: Final = frozenset({"public", "none", "current_role", "current_user", "session_user", "user", "postgres"})


class BadRoleName(InvalidInput):
    """The name could be read as something else somewhere."""

    title = "This cannot be the name of a role."
    advice = (
        "Use a lower-case letter, then lower-case letters, digits and underscores, 63 at most; "
        "not pg_…, and no word that SQL keeps for itself."
    )


class RoleNotOurs(Conflict):
    """A role of this name is there, and this command has not made it, or not for this database."""

    title = "This role was not made here."
    advice = "Choose another name. Nothing was changed."


class RoleNeedsAdministrator(PermissionDenied):
    """The database user of the product may not do what is asked."""

    title = "The product's database user may not do this."
    advice = (
        "Let an administrator of the database run the statements that `manage.py create_sql_role NAME --print-sql` "
        "prints, or give the product's user CREATEROLE."
    )


@dataclass(frozen=True, kw_only=True)
class Made:
    """What came of it. `password` is None when an older one was kept; it is stored nowhere."""

    is_new: bool
    password: str | None = field(repr=False)
    doors: list[Door]


def create(*, name: str, renews_password: bool = False) -> Made:
    """Make the role, or renew what a role made here may do, and its password when that is asked for.

    Raises BadRoleName, RoleNotOurs or RoleNeedsAdministrator, and has then changed nothing.
    """
    _check_name(name)
    with _told_plainly(), transaction.atomic():
        is_new = not _exists(name)
        password = secrets.token_urlsafe(PASSWORD_BYTES) if is_new or renews_password else None
        verifier = _verifier(name, password) if password else None
        _execute(_role_statements(name, verifier))
        _execute(statements.make_view())
        _execute(statements.grant(name=name, database=_database()))
        _limit_temporary_files(name)
        if renews_password and not is_new:
            _end_sessions(name)
        doors = close_doors(role=name, is_alone=settings.EMBEDDED)
        deed = "made" if is_new else "renewed"
        trail.note_command(f"sql_role.{deed}", role=name, has_new_password=password is not None)
    return Made(is_new=is_new, password=password, doors=doors)


def drop(*, name: str) -> None:
    """Remove a role made here, and with the last one its view. Its connections are ended.

    Raises RoleNotOurs, also when there is none of this name, or RoleNeedsAdministrator.
    """
    _check_name(name)
    with _told_plainly():
        if not _exists(name):
            raise RoleNotOurs(f"There is no role {name}.")
        # Committed before its sessions end, so that none of them comes back.
        _execute([statements.lock_out(name)])
        _end_sessions(name)
        with transaction.atomic():
            has_view = _has_view()
            _execute(statements.take_view_away(name) if has_view else [])
            _execute(statements.drop_role(name=name, database=_database()))
            if has_view and not _others():
                _execute(statements.drop_view())
            trail.note_command("sql_role.dropped", role=name)


def write_script(*, name: str) -> tuple[str, str]:
    """What an administrator runs to make or renew the role, and its new password; nothing is changed here.

    The script holds what the server keeps of the password, not the password. Raises BadRoleName or RoleNotOurs.
    """
    _check_name(name)
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    wanted = [*_role_statements(name, _verifier(name, password)), *_owned_view(), *_granted(name)]
    lines = [
        f"-- Run it in the database {_database()} as a superuser; psql -v ON_ERROR_STOP=1 stops at a mistake.",
        "BEGIN;",
        *(f"{_as_text(each)};" for each in wanted),
        *describe_doors(find_doors(role=EVERYBODY)),
        "COMMIT;",
    ]
    return "\n".join(lines) + "\n", password


def describe_doors(doors: Sequence[Door]) -> list[str]:
    """Lines of SQL that close them; what others may rely on stands there as a comment."""
    return [
        line
        for door in doors
        for line in (
            f"-- {door.harm}",
            *(f"{'-- ' if door.is_shared else ''}{_as_text(each)};" for each in door.remedy),
        )
    ]


def _owned_view() -> list[sql.Composable]:
    owner = sql.Identifier(_one("SELECT current_user"))
    return [
        *statements.make_view(),
        sql.SQL("ALTER SCHEMA {} OWNER TO {}").format(sql.Identifier(statements.SCHEMA), owner),
        sql.SQL("ALTER VIEW {} OWNER TO {}").format(statements.VIEW, owner),
    ]


def _granted(name: str) -> list[sql.Composable]:
    return [*statements.grant(name=name, database=_database()), statements.limit_temporary_files(name)]


def _role_statements(name: str, verifier: str | None) -> list[sql.Composable]:
    if _exists(name):
        return statements.renew_role(name=name, database=_database(), verifier=verifier)
    return statements.make_role(name=name, database=_database(), verifier=verifier or "")


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name) or name.startswith("pg_") or name in _RESERVED:
        raise BadRoleName


def _exists(name: str) -> bool:
    """Whether the role is there. Raises RoleNotOurs when it is another one, or has been given more since."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT shobj_description(oid, 'pg_authid'), rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication "
            "OR rolbypassrls OR EXISTS (SELECT FROM pg_auth_members WHERE member = pg_roles.oid) "
            "FROM pg_roles WHERE rolname = %s",
            [name],
        )
        found = cursor.fetchone()
    if found is None:
        return False
    comment, has_more = found
    if comment != statements.marker(_database()):
        raise RoleNotOurs
    if has_more:
        raise RoleNotOurs(f"Somebody gave {name} other rights or memberships. Take them away, or drop the role.")
    return True


def _verifier(name: str, password: str) -> str:
    """What the server keeps of a password. Made here, so that the password is in no log of statements."""
    connection.ensure_connection()
    made: bytes = connection.connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256")
    return made.decode()


def _limit_temporary_files(name: str) -> None:
    # Only superusers may set this limit; without it a role can fill the disk with what it sorts.
    _execute_if_allowed(statements.limit_temporary_files(name))


def _end_sessions(name: str) -> None:
    # Where this is not allowed their next statement meets what they may do now.
    _execute_if_allowed(statements.end_sessions(name))


def _has_view() -> bool:
    """Whether the view is there: a database that was loaded from a dump may lack it."""
    return bool(_one("SELECT to_regclass(%s) IS NOT NULL", f"{statements.SCHEMA}.tasks"))


def _others() -> bool:
    """Whether other roles for this database were made here."""
    marker = statements.marker(_database())
    return bool(_one("SELECT count(*) FROM pg_roles WHERE shobj_description(oid, 'pg_authid') = %s", marker))


def _execute(wanted: Iterable[sql.Composable]) -> None:
    with connection.cursor() as cursor:
        for statement in wanted:
            cursor.execute(statement)


def _execute_if_allowed(statement: sql.Composable) -> None:
    try:
        with transaction.atomic():
            _execute([statement])
    except DatabaseError as error:
        if not isinstance(error.__cause__, errors.InsufficientPrivilege):
            raise


def _database() -> str:
    return str(_one("SELECT current_database()"))


def _one(statement: str, *values: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchone()[0]


def _as_text(statement: sql.Composable) -> str:
    return statement.as_string(None)


@contextmanager
def _told_plainly() -> Iterator[None]:
    """Turn what PostgreSQL refuses into what to do about it."""
    try:
        yield
    except DatabaseError as error:
        cause = error.__cause__
        if isinstance(cause, errors.InsufficientPrivilege):
            raise RoleNeedsAdministrator from error
        if isinstance(cause, errors.DependentObjectsStillExist):
            raise RoleNotOurs(
                "The role owns something, or was granted more by somebody else. As an administrator: DROP OWNED BY it."
            ) from error
        if isinstance(cause, errors.LockNotAvailable):
            raise Conflict("Somebody keeps the tasks locked. Try again in a moment.") from error
        raise
