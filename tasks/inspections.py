"""What tasks are inspected for: the roles that tools which were taught SQL sign in with."""

from typing import Final

from django.db import DatabaseError, connection, transaction

from personalq.lib.inspection import Result, Scene, bad, fine, inspection, name_some, worst
from tasks.sql_access import doors, statements

_ROLES: Final = (
    "SELECT rolname, rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls "
    "OR EXISTS (SELECT FROM pg_auth_members WHERE member = pg_roles.oid) "
    "FROM pg_roles WHERE shobj_description(oid, 'pg_authid') = %s ORDER BY 1"
)


@inspection(
    "sql.roles",
    "low",
    "high",
    looks_at="Roles made by `create_sql_role`. High: one of them has no password, or was given more than its view. "
    "Low: the server leaves things open to every role that the command could not close.",
    advice="Drop and make the role anew with `manage.py create_sql_role`; what every role may do an administrator "
    "closes with the statements that `create_sql_role NAME --print-sql` prints.",
)
def roles(_: Scene) -> Result:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_database()")
        cursor.execute(_ROLES, [statements.marker(cursor.fetchone()[0])])
        found = dict(cursor.fetchall())
    if not found:
        return fine("There are no roles for SQL.")
    results = [bad("high", f"{name} was given more than its view.") for name, has_more in found.items() if has_more]
    results += [bad("high", f"{name} has no password.") for name in _without_password(list(found))]
    results += [bad("low", f"To {name}: {door.harm}") for name in found for door in doors.find_doors(role=name)]
    return worst(results, otherwise=fine(f"{name_some(found)} reach their view and nothing else."))


def _without_password(names: list[str]) -> list[str]:
    """Those without one, as far as the product's role may see it: only superusers may."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT rolname FROM pg_authid WHERE rolname = ANY(%s) AND rolpassword IS NULL", [names])
            return [row[0] for row in cursor.fetchall()]
    except DatabaseError:
        return []
