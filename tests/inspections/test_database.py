"""V13.2.2: what the database lets roles do, each in a bad and in a good state. The good role: test_two_roles.py."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from django.db import connection
from psycopg import sql

from tests.inspections.looking import grade_of, look

pytestmark = [pytest.mark.django_db, pytest.mark.security]


def execute(statement: str, *names: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@pytest.fixture
def role() -> Iterator[str]:
    """An ordinary role, gone with the test's transaction."""
    name = f"role_{uuid4().hex[:12]}"
    execute("CREATE ROLE {} LOGIN", name)
    yield name
    execute("RESET ROLE")


def test_the_embedded_superuser_is_told_with_its_reason_and_any_other_is_high(settings: object) -> None:
    result = look("database.superuser")
    assert (result.grade, "embedded" in result.sentence) == ("medium", True)
    settings.EMBEDDED = False  # type: ignore[attr-defined]
    assert grade_of("database.superuser") == "high"


def test_an_ordinary_role_is_no_superuser(role: str) -> None:
    execute("SET ROLE {}", role)
    assert grade_of("database.superuser") == "ok"
    assert grade_of("database.role") == "ok"


@pytest.mark.parametrize("power", ["CREATEROLE", "CREATEDB", "REPLICATION", "BYPASSRLS"])
def test_each_power_of_the_role_is_found(role: str, power: str) -> None:
    execute(f"ALTER ROLE {{}} {power}", role)
    execute("SET ROLE {}", role)
    assert grade_of("database.role") == "high"


@pytest.mark.parametrize("membership", ["pg_write_server_files", "pg_read_all_data", "pg_execute_server_program"])
def test_membership_in_mighty_roles_is_found(role: str, membership: str) -> None:
    execute(f"GRANT {membership} TO {{}}", role)
    execute("SET ROLE {}", role)
    result = look("database.role")
    assert (result.grade, membership in result.sentence) == ("high", True)


def test_an_owner_of_the_tables_is_found(role: str) -> None:
    execute("ALTER TABLE audit_events OWNER TO {}", role)
    execute("SET ROLE {}", role)
    result = look("database.owner")
    assert (result.grade, "guard of the audit trail" in result.sentence) == ("medium", True)


def test_a_role_that_may_make_tables_is_found_and_one_that_may_not_is_good(role: str) -> None:
    execute("SET ROLE {}", role)
    assert grade_of("database.owner") == "ok"
    execute("RESET ROLE")
    execute("GRANT CREATE ON SCHEMA public TO {}", role)
    execute("SET ROLE {}", role)
    assert grade_of("database.owner") == "low"


@pytest.mark.parametrize("right", ["TRUNCATE", "TRIGGER", "UPDATE", "UPDATE (kind)"])
def test_each_right_on_the_audit_trail_beyond_its_need_is_found(role: str, right: str) -> None:
    execute("GRANT SELECT, INSERT, DELETE, UPDATE (number, seal, key_id) ON audit_events TO {}", role)
    execute("SET ROLE {}", role)
    assert grade_of("database.audit_rights") == "ok"
    execute("RESET ROLE")
    execute(f"GRANT {right} ON audit_events TO {{}}", role)
    execute("SET ROLE {}", role)
    assert grade_of("database.audit_rights") == "medium"


def test_what_every_role_may_do_is_found() -> None:
    assert grade_of("database.public") == "ok"
    execute("GRANT CREATE ON SCHEMA public TO PUBLIC")
    assert grade_of("database.public") == "medium"
    execute("GRANT SELECT ON users TO PUBLIC")
    result = look("database.public")
    assert (result.grade, "users" in result.sentence) == ("high", True)


def test_another_role_with_rights_on_tables_is_found(role: str) -> None:
    assert role not in look("database.others").sentence
    execute("GRANT SELECT ON users TO {}", role)
    result = look("database.others")
    assert (result.grade, role in result.sentence) == ("medium", True)


def test_a_role_whose_password_is_kept_as_md5_is_found(role: str) -> None:
    assert grade_of("database.passwords") == "ok"
    execute("SET LOCAL password_encryption = md5")
    assert grade_of("database.passwords") == "high"
    execute(f"ALTER ROLE {{}} PASSWORD 'md5{'0' * 32}'", role)
    execute("SET LOCAL password_encryption = 'scram-sha-256'")
    result = look("database.passwords")
    assert (result.grade, role in result.sentence) == ("high", True)


def test_a_server_that_asks_nobody_is_found(settings: object) -> None:
    settings.EMBEDDED = False  # type: ignore[attr-defined]
    result = look("database.passwords")
    assert (result.grade, "without asking" in result.sentence) == ("high", True)


def test_a_role_that_may_not_see_passwords_says_so(role: str) -> None:
    execute("SET ROLE {}", role)
    assert grade_of("database.passwords") == "info"
