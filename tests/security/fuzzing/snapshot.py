"""Every row of every table, so that it can be told whether anything of somebody else was touched."""

from collections.abc import Iterable
from typing import Final

from django.db import connection

# What serving itself writes: sessions, and the trail of who did what, which is append-only and has tests of its own.
LEFT_OUT: Final = {"django_session", "django_migrations", "audit_events", "audit_marks"}

Rows = set[tuple[str, str]]


def rows(*, without: int | None = None) -> Rows:
    """Table and digest of each row, but for those that name this user as theirs."""
    columns = _columns_of_owners()
    parts = []
    with connection.cursor() as cursor:
        for table in sorted(set(connection.introspection.table_names(cursor)) - LEFT_OUT):
            theirs = [f"coalesce({column}, 0) <> {without:d}" for each, column in columns if each == table and without]
            where = f" WHERE {' AND '.join(theirs)}" if theirs else ""
            parts.append(f"SELECT '{table}', md5(t::text) FROM {connection.ops.quote_name(table)} t{where}")
        cursor.execute(" UNION ALL ".join(parts))
        return set(cursor.fetchall())


def changed_tables(*, before: Rows, after: Rows, own: Iterable[str] = ()) -> set[str]:
    """Tables of which a row that was there is gone or different, but for those whose rows may be the actor's own."""
    return {table for table, _ in before - after} - set(own)


def counts_by_owner(user_id: int) -> dict[str, int]:
    """How many rows of each table name this user in a column `owner_id` or `user_id`."""
    parts = [
        f"SELECT '{table}.{column}', count(*) FROM {connection.ops.quote_name(table)} WHERE {column} = {user_id:d}"
        for table, column in _columns_of_owners()
    ]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts))
        return dict(cursor.fetchall())


def _columns_of_owners() -> list[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = 'public' AND column_name IN ('owner_id', 'user_id') ORDER BY 1, 2"
        )
        return [(table, column) for table, column in cursor.fetchall() if table not in LEFT_OUT]
