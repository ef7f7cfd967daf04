"""What PostgreSQL lets every role do by itself, and how it is closed.

A role cannot be denied what everybody may do: it has to be taken from everybody and given back to the product. Some of
that only a superuser or the owner of the database may do, so each door says what closes it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from django.db import DatabaseError, connection, transaction
from psycopg import sql

from tasks.sql_access.statements import SCHEMA


@dataclass(frozen=True, kw_only=True)
class Door:
    """Something that a role may do and should not; `remedy` are the statements that end it.

    Of a shared one others than the product may make use, so somebody has to look before it is closed.
    """

    harm: str
    remedy: list[sql.Composable]
    is_shared: bool = False


EVERYBODY: Final = "public"
"""In place of a role: what is open to all of them."""


def find_doors(*, role: str) -> list[Door]:
    """What is open to a role beside its view."""
    found = (find(role) for find in _FINDERS)
    return [door for door in found if door is not None]


def close_doors(*, role: str, is_alone: bool) -> list[Door]:
    """Close what this connection may close, and return what is still open.

    `is_alone` says that nobody else uses the server, so what is shared is closed as well.
    """
    for door in find_doors(role=role):
        if is_alone or not door.is_shared:
            _try(door)
    return find_doors(role=role)


def _try(door: Door) -> None:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            for statement in door.remedy:
                cursor.execute(statement)
    except DatabaseError:
        # Without the right to do so it stays open, which is asked anew and told.
        return


def _advisory_locks(role: str) -> Door | None:
    return _functions(
        role, "^pg_(try_)?advisory_", "It can take the locks under which tasks are claimed, and so stop all work."
    )


def _large_objects(role: str) -> Door | None:
    return _functions(role, "^lo_(creat|create|from_bytea|import)$", "It can fill the disk with large objects.")


def _functions(role: str, pattern: str, harm: str) -> Door | None:
    found = _names(
        "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace "
        "AND proname ~ %s AND has_function_privilege(%s, oid, 'EXECUTE') ORDER BY 1",
        pattern,
        role,
    )
    if not found:
        return None
    # The names come from the catalogue, quoted and with their arguments.
    functions = sql.SQL(", ").join(sql.SQL(name) for name in found)
    return Door(
        harm=harm,
        remedy=[
            sql.SQL("GRANT EXECUTE ON FUNCTION {} TO {}").format(functions, _ourselves()),
            sql.SQL("REVOKE EXECUTE ON FUNCTION {} FROM PUBLIC").format(functions),
        ],
    )


def _temporary_tables(role: str) -> Door | None:
    if not _names("SELECT 'x' WHERE has_database_privilege(%s, current_database(), 'TEMPORARY')", role):
        return None
    database = sql.Identifier(_database())
    return Door(
        harm="It can make temporary tables and functions.",
        remedy=[
            sql.SQL("GRANT TEMPORARY ON DATABASE {} TO {}").format(database, _ourselves()),
            sql.SQL("REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC").format(database),
        ],
    )


def _schemas(role: str) -> Door | None:
    found = _names(
        "SELECT nspname FROM pg_namespace WHERE has_schema_privilege(%s, oid, 'CREATE') ORDER BY 1",
        role,
    )
    if not found:
        return None
    names = sql.SQL(", ").join(map(sql.Identifier, found))
    return Door(
        harm="It can make tables and functions.",
        remedy=[
            sql.SQL("GRANT CREATE ON SCHEMA {} TO {}").format(names, _ourselves()),
            sql.SQL("REVOKE CREATE ON SCHEMA {} FROM PUBLIC").format(names),
        ],
    )


def _databases(role: str) -> Door | None:
    found = _names(
        "SELECT datname FROM pg_database WHERE datallowconn AND datname <> current_database() "
        "AND has_database_privilege(%s, oid, 'CONNECT') ORDER BY 1",
        role,
    )
    if not found:
        return None
    names = sql.SQL(", ").join(map(sql.Identifier, found))
    return Door(
        harm="It can connect to other databases of the server.",
        remedy=[sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(names)],
        is_shared=True,
    )


def _tables(role: str) -> Door | None:
    found = _names(
        "SELECT format('%%I.%%I', nspname, relname) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace "
        "WHERE relkind IN ('r', 'v', 'm', 'f', 'p') AND nspname NOT IN ('pg_catalog', 'information_schema', %s) "
        "AND nspname !~ '^pg_(toast|temp)' "
        "AND (has_table_privilege(%s, pg_class.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER') "
        "OR has_any_column_privilege(%s, pg_class.oid, 'SELECT, INSERT, UPDATE, REFERENCES')) ORDER BY 1",
        SCHEMA,
        role,
        role,
    )
    if not found:
        return None
    names = sql.SQL(", ").join(sql.SQL(name) for name in found)
    return Door(
        harm="It can use more than its own view.",
        remedy=[sql.SQL("REVOKE ALL ON {} FROM PUBLIC").format(names)],
        is_shared=True,
    )


_FINDERS: Final[tuple[Callable[[str], Door | None], ...]] = (
    _advisory_locks,
    _large_objects,
    _temporary_tables,
    _schemas,
    _databases,
    _tables,
)


def _ourselves() -> sql.Composable:
    """Whom the product signs in as: this role, and the one with rights on rows only if there is one."""
    found = _names(
        "SELECT current_user::text UNION SELECT rolname FROM pg_roles WHERE rolcanlogin AND NOT rolsuper "
        "AND rolname !~ '^pg_' AND has_table_privilege(oid, 'public.tasks', 'DELETE') ORDER BY 1"
    )
    return sql.SQL(", ").join(map(sql.Identifier, found))


def _database() -> str:
    return _names("SELECT current_database()")[0]


def _names(statement: str, *values: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return [row[0] for row in cursor.fetchall()]
