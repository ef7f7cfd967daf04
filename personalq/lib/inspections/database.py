"""What PostgreSQL lets the product's role do, and others with the product's tables."""

from typing import Any, Final

from django.conf import settings
from django.db import ProgrammingError, connection, transaction
from psycopg.errors import InsufficientPrivilege

from personalq.lib.inspection import Result, Scene, bad, fine, inspection, name_some, noted

_TWO_ROLES: Final = (
    "Give migrations a role of their own that owns the tables, and the product one with rights on rows only "
    '(docs/operations.md, "Two roles").'
)
_MAY_ALL: Final = noted("A superuser may do all of it: see database.superuser.")


def rows(statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """What the database answers."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return list(cursor.fetchall())


def names(statement: str, *values: Any) -> list[str]:
    """The first column of what the database answers."""
    return [str(row[0]) for row in rows(statement, *values)]


def is_superuser() -> bool:
    return bool(rows("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")[0][0])


@inspection(
    "database.superuser",
    "medium",
    "high",
    looks_at="Whether the product's role is a superuser, to whom no rule of the database applies. Medium with the "
    "embedded PostgreSQL, which nobody but the owner of this installation reaches.",
    advice=f"{_TWO_ROLES} With `make run` it is as it is: for others than yourself use servers of your own.",
)
def superuser(_: Scene) -> Result:
    if not is_superuser():
        return fine("The product's role is no superuser.")
    if settings.EMBEDDED:
        return bad(
            "medium",
            "The product is superuser of the embedded PostgreSQL. Only this operating-system user reaches its socket, "
            "but whoever takes over the product can rewrite the audit trail with it.",
        )
    return bad("high", "The product's role is a superuser.")


@inspection(
    "database.role",
    "high",
    looks_at="Whether the product's role may make roles or databases, replicate, pass over row security, or is a "
    "member of roles that read or write everything.",
    advice="ALTER ROLE … NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS; revoke memberships of pg_… roles.",
)
def role(_: Scene) -> Result:
    if is_superuser():
        return _MAY_ALL
    powers = rows("SELECT rolcreaterole, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles "
                  "WHERE rolname = current_user")[0]  # fmt: skip
    words = ("make roles", "make databases", "replicate", "pass over row security")
    found = [word for word, has_it in zip(words, powers, strict=True) if has_it]
    found += names(
        "SELECT 'act as ' || rolname FROM pg_roles WHERE rolname ~ '^pg_' AND rolname <> 'pg_database_owner' "
        "AND pg_has_role(current_user, oid, 'MEMBER')"
    )
    if found:
        return bad("high", f"The product's role may {name_some(found)}.")
    return fine("The product's role has no power beyond its own tables.")


@inspection(
    "database.owner",
    "low",
    "medium",
    looks_at="Whether the product's role could change tables and triggers: it owns them, or may do what their owner "
    "may. Low: it may only make new tables.",
    advice=_TWO_ROLES,
)
def owner(_: Scene) -> Result:
    if is_superuser():
        return _MAY_ALL
    owned = names(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace "
        "AND pg_has_role(current_user, relowner, 'MEMBER') ORDER BY 1"
    )
    if "audit_events" in owned:
        return bad("medium", "The product's role owns its tables, so it could lift the guard of the audit trail.")
    if owned:
        return bad("medium", f"The product's role owns {name_some(owned)}.")
    if rows("SELECT has_schema_privilege('public', 'CREATE') OR has_database_privilege(current_database(), 'CREATE')")[
        0
    ][0]:
        return bad("low", "The product's role may make tables.")
    return fine("The product's role has rights on rows only.")


@inspection(
    "database.audit_rights",
    "medium",
    looks_at="Whether the product's role may change more of the audit trail than it has to: rows, and the three "
    "columns that chain them.",
    advice="Run `manage.py grant_app_role NAME` as the role that owns the tables.",
)
def audit_rights(_: Scene) -> Result:
    if is_superuser():
        return _MAY_ALL
    excess = names("SELECT p FROM unnest(ARRAY['TRUNCATE', 'REFERENCES', 'TRIGGER']) p "
                   "WHERE has_table_privilege('public.audit_events', p)")  # fmt: skip
    excess += names(
        "SELECT 'UPDATE of ' || attname FROM pg_attribute WHERE attrelid = 'public.audit_events'::regclass "
        "AND attnum > 0 AND NOT attisdropped AND attname NOT IN ('number', 'seal', 'key_id') "
        "AND has_column_privilege('public.audit_events', attname, 'UPDATE')"
    )
    if excess:
        return bad("medium", f"More than the audit trail needs: {name_some(excess)}.")
    return fine("The product may add to the audit trail, chain it and cut its end, and nothing else.")


@inspection(
    "database.public",
    "medium",
    "high",
    looks_at="What every role of the server may do here: make tables in the schema (medium), read or write the "
    "product's tables (high).",
    advice="REVOKE CREATE ON SCHEMA public FROM PUBLIC; REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC.",
)
def public(_: Scene) -> Result:
    tables = names(
        "SELECT DISTINCT relname FROM pg_class, aclexplode(relacl) AS given WHERE given.grantee = 0 "
        "AND relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'S', 'v') ORDER BY 1"
    )
    if tables:
        return bad("high", f"Every role of the server may use {name_some(tables)}.")
    if names(
        "SELECT 'x' FROM pg_namespace, aclexplode(nspacl) AS given WHERE nspname = 'public' AND given.grantee = 0 "
        "AND given.privilege_type = 'CREATE'"
    ):
        return bad("medium", "Every role of the server may make tables in the schema public.")
    return fine("Other roles of the server have nothing here by default.")


@inspection(
    "database.others",
    "medium",
    looks_at="Which other roles have rights on the product's tables, by themselves or through the whole server.",
    advice="Look at each; REVOKE ALL ON ALL TABLES IN SCHEMA public FROM the ones that nobody needs. The role that "
    "owns the tables, and roles of `create_sql_role`, are not meant.",
)
def others(_: Scene) -> Result:
    found = names(
        "SELECT rolname FROM pg_roles WHERE NOT rolsuper AND rolname !~ '^pg_' AND rolname <> current_user "
        "AND NOT pg_has_role(oid, 'pg_database_owner', 'MEMBER') AND EXISTS (SELECT FROM pg_class "
        "WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') "
        "AND NOT pg_has_role(pg_roles.oid, relowner, 'MEMBER') "
        "AND has_table_privilege(pg_roles.oid, pg_class.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')) ORDER BY 1"
    )
    if found:
        return bad("medium", f"Other roles reach the product's tables: {name_some(found)}.")
    return fine("No other role reaches the product's tables.")


@inspection(
    "database.passwords",
    "high",
    looks_at="Whether the server lets roles in without asking (trust), or keeps weak hashes of passwords (MD5). The "
    "embedded server trusts its own socket, which only its owner reaches.",
    advice="Use scram-sha-256 in pg_hba.conf and password_encryption, and set the passwords anew (\\password ROLE).",
)
def passwords(_: Scene) -> Result:
    if rows("SHOW password_encryption")[0][0] != "scram-sha-256":
        return bad("high", "New passwords of roles would be kept as MD5.")
    try:
        with transaction.atomic():
            weak = names("SELECT rolname FROM pg_authid WHERE rolcanlogin AND rolpassword LIKE 'md5%%' ORDER BY 1")
            trusting = names(
                "SELECT type || ' ' || coalesce(address, '') FROM pg_hba_file_rules WHERE auth_method = 'trust'"
            )
    except ProgrammingError as error:
        if isinstance(error.__cause__, InsufficientPrivilege):
            return noted("The product's role may not see how others sign in, which is right; ask a superuser.")
        raise
    if weak:
        return bad("high", f"Kept as MD5: the passwords of {name_some(weak)}.")
    if trusting and not settings.EMBEDDED:
        return bad("high", f"The server lets roles in without asking: {name_some(trusting)}.")
    return fine("Roles sign in by SCRAM-SHA-256; the embedded server's own socket excepted.")
