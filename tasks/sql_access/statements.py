"""The statements that make, renew and take away a role for SQL: pure text, put together from constants and names."""

from collections.abc import Sequence
from typing import Final

from psycopg import sql

from tasks.models.task import Source

SCHEMA: Final = "agent_sql"
VIEW: Final = sql.Identifier(SCHEMA, "tasks")
COLUMNS: Final = ("id", "prompt", "status", "createdat", "updatedat", "order", "uuid")
INSERTED: Final = ("prompt", "status", "order")
# Not the prompt: no event would tell that it was another one. What is written to updatedat, the trigger replaces.
UPDATED: Final = ("status", "order", "updatedat")
SOURCES: Final = (Source.SQL, Source.IMPORT)
"""The doors of the tasks that are seen: those without an owner, also after the task operator gave them one."""

CONNECTIONS: Final = 10
TEMPORARY_FILES: Final = "256MB"
DEFAULTS: Final = {
    "search_path": SCHEMA,
    "statement_timeout": "30s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "15s",
    "idle_session_timeout": "10min",
}
"""What each session of a role begins with. It can set all of them anew for itself."""


def marker(database: str) -> str:
    """The comment by which a role is known as one of ours, for this database."""
    return f"Personal-Q: role for SQL in the database {database}, made by manage.py create_sql_role"


def make_role(*, name: str, database: str, verifier: str) -> list[sql.Composable]:
    """A new role that may log in and has nothing yet; `verifier` is what the server keeps of its password."""
    role = sql.Identifier(name)
    return [
        sql.SQL("CREATE ROLE {} LOGIN CONNECTION LIMIT {} PASSWORD {}").format(
            role, sql.Literal(CONNECTIONS), sql.Literal(verifier)
        ),
        sql.SQL("COMMENT ON ROLE {} IS {}").format(role, sql.Literal(marker(database))),
        *_defaults(role, database),
    ]


def renew_role(*, name: str, database: str, verifier: str | None) -> list[sql.Composable]:
    """The same for a role that is there; without a verifier it keeps its password."""
    role = sql.Identifier(name)
    password = sql.SQL("") if verifier is None else sql.SQL(" PASSWORD {}").format(sql.Literal(verifier))
    return [
        sql.SQL("ALTER ROLE {} LOGIN CONNECTION LIMIT {}{}").format(role, sql.Literal(CONNECTIONS), password),
        *_defaults(role, database),
    ]


def make_view() -> list[sql.Composable]:
    """The schema of these roles with its one view: SELECT * gives the older columns and no others."""
    columns = _names(COLUMNS)
    sources = sql.SQL(", ").join(sql.Literal(str(source)) for source in SOURCES)
    return [
        sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(SCHEMA)),
        sql.SQL(
            "CREATE OR REPLACE VIEW {} WITH (security_barrier = true) AS "
            "SELECT {} FROM public.tasks WHERE source IN ({}) WITH CASCADED CHECK OPTION"
        ).format(VIEW, columns, sources),
        sql.SQL("REVOKE ALL ON SCHEMA {} FROM PUBLIC").format(sql.Identifier(SCHEMA)),
        sql.SQL("REVOKE ALL ON {} FROM PUBLIC").format(VIEW),
    ]


def grant(*, name: str, database: str) -> list[sql.Composable]:
    """What a role may do, and no more.

    INSERT and UPDATE are granted for columns: for the whole view they would let the role lock the table.
    """
    role = sql.Identifier(name)
    return [
        sql.SQL("REVOKE ALL ON {} FROM {}").format(VIEW, role),
        sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(sql.Identifier(database), role),
        sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(sql.Identifier(SCHEMA), role),
        sql.SQL("GRANT SELECT ON {} TO {}").format(VIEW, role),
        sql.SQL("GRANT INSERT ({}), UPDATE ({}) ON {} TO {}").format(_names(INSERTED), _names(UPDATED), VIEW, role),
    ]


def limit_temporary_files(name: str) -> sql.Composable:
    """How much a role may sort on disk. It cannot change this itself."""
    return sql.SQL("ALTER ROLE {} SET temp_file_limit = {}").format(sql.Identifier(name), sql.Literal(TEMPORARY_FILES))


def end_sessions(name: str) -> sql.Composable:
    return sql.SQL("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = {}").format(
        sql.Literal(name)
    )


def lock_out(name: str) -> sql.Composable:
    """Keep a role from new connections."""
    return sql.SQL("ALTER ROLE {} NOLOGIN").format(sql.Identifier(name))


def take_view_away(name: str) -> list[sql.Composable]:
    """Take away what `grant` gave in the schema of these roles."""
    role = sql.Identifier(name)
    return [
        sql.SQL("REVOKE ALL ON {} FROM {}").format(VIEW, role),
        sql.SQL("REVOKE ALL ON SCHEMA {} FROM {}").format(sql.Identifier(SCHEMA), role),
    ]


def drop_role(*, name: str, database: str) -> list[sql.Composable]:
    """Remove a role that has nothing in the schema any more."""
    role = sql.Identifier(name)
    return [
        sql.SQL("REVOKE ALL ON DATABASE {} FROM {}").format(sql.Identifier(database), role),
        sql.SQL("DROP ROLE {}").format(role),
    ]


def drop_view() -> list[sql.Composable]:
    return [sql.SQL("DROP VIEW {}").format(VIEW), sql.SQL("DROP SCHEMA {}").format(sql.Identifier(SCHEMA))]


def _defaults(role: sql.Identifier, database: str) -> list[sql.Composable]:
    return [
        sql.SQL("ALTER ROLE {} IN DATABASE {} SET {} = {}").format(
            role, sql.Identifier(database), sql.Identifier(setting), sql.Literal(value)
        )
        for setting, value in DEFAULTS.items()
    ]


def _names(columns: Sequence[str]) -> sql.Composable:
    return sql.SQL(", ").join(map(sql.Identifier, columns))
