"""The database role of the running product: rights on rows, and on the audit trail only those that it needs.

Migrations run as another role, which owns the tables. So nobody who takes over the product can change a table, lift the
guard of the audit trail or make a role.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from django.db import connection, transaction
from psycopg import sql

from personalq.lib.errors import Conflict, InvalidInput

SCHEMA: Final = sql.Identifier("public")
ROWS: Final = ("SELECT", "INSERT", "UPDATE", "DELETE")
CHAINED: Final = ("number", "seal", "key_id")
"""What of an audit event is written after it: its place in the chain."""
NARROWER: Final[Mapping[str, Sequence[str]]] = {
    # Removing is for what is older than the retention; the guard of the table sees to that.
    "audit_events": ("SELECT", "INSERT", f"UPDATE ({', '.join(CHAINED)})", "DELETE"),
    "audit_marks": ("SELECT", "INSERT", "UPDATE"),
    "django_migrations": ("SELECT",),
}


class RoleUnfit(InvalidInput):
    """The role cannot be the one that the product works as."""

    title = "This role cannot be the product's."
    advice = "Name a role that may log in, is no superuser, and is not the one that owns the tables."


class NotTheOwner(Conflict):
    """Whoever gives rights has to own the tables."""

    title = "The tables belong to another role."
    advice = "Run this with the DATABASE_URL of the role that migrations run as."


def grant(*, role: str) -> None:
    """Give a role what the product needs, and take from it what it has beyond that; both at once.

    To be run after each migration, as the role that owns the tables. Tables made later get rights on rows until then.
    Raises RoleUnfit or NotTheOwner, and has then changed nothing.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        _refuse_unfit(role)
        for statement in statements(role, _tables()):
            cursor.execute(statement)


def statements(role: str, tables: Sequence[str]) -> Iterator[sql.Composable]:
    """All that `grant` says to the database."""
    name = sql.Identifier(role)
    for kind in ("TABLES", "SEQUENCES"):
        yield _text("REVOKE ALL ON ALL {} IN SCHEMA {} FROM {}", sql.SQL(kind), SCHEMA, name)
    yield _text("REVOKE CREATE ON SCHEMA {} FROM {}", SCHEMA, name)
    yield _text("GRANT USAGE ON SCHEMA {} TO {}", SCHEMA, name)
    for table in tables:
        rights = sql.SQL(", ".join(NARROWER.get(table, ROWS)))
        yield _text("GRANT {} ON {} TO {}", rights, sql.Identifier("public", table), name)
    yield _text("GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {} TO {}", SCHEMA, name)
    default = _text("ALTER DEFAULT PRIVILEGES IN SCHEMA {} GRANT", SCHEMA)
    yield default + _text(" {} ON TABLES TO {}", sql.SQL(", ".join(ROWS)), name)
    yield default + _text(" USAGE, SELECT ON SEQUENCES TO {}", name)


def _text(pattern: str, *parts: sql.Composable) -> sql.Composed:
    return sql.SQL(pattern).format(*parts)


def _refuse_unfit(role: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT rolcanlogin AND NOT rolsuper AND rolname <> current_user "
            "AND NOT pg_has_role(oid, (SELECT relowner FROM pg_class WHERE oid = 'public.audit_events'::regclass), "
            "'MEMBER') FROM pg_roles WHERE rolname = %s",
            [role],
        )
        found = cursor.fetchone()
        if found is None:
            raise RoleUnfit(f"There is no role {role}. Make it first, with a password (deploy/postgres-role.sh).")
        if not found[0]:
            raise RoleUnfit


def _tables() -> list[str]:
    """The product's tables. Raises NotTheOwner when this role may not give rights on them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, pg_has_role(relowner, 'USAGE') FROM pg_class "
            "WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') ORDER BY 1"
        )
        found = cursor.fetchall()
    if not all(is_ours for _, is_ours in found):
        raise NotTheOwner
    return [name for name, _ in found]
