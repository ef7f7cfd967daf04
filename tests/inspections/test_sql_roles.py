"""Roles for SQL: as they are made, and after somebody gave them more."""

from uuid import uuid4

import pytest
from django.db import connection

from tasks import sql_access
from tests.inspections.looking import grade_of, look

pytestmark = [pytest.mark.django_db, pytest.mark.security]


@pytest.mark.parametrize("change", ["PASSWORD NULL", "CREATEROLE", "SUPERUSER"])
def test_a_role_that_was_changed_is_found(change: str) -> None:
    assert grade_of("sql.roles") == "ok"
    name = f"agent_{uuid4().hex[:12]}"
    sql_access.create(name=name)
    assert grade_of("sql.roles") == "ok"
    with connection.cursor() as cursor:
        cursor.execute(f'ALTER ROLE "{name}" {change}')
    result = look("sql.roles")
    assert (result.grade, name in result.sentence) == ("high", True)


def test_what_the_server_leaves_open_is_told() -> None:
    sql_access.create(name=f"agent_{uuid4().hex[:12]}")
    with connection.cursor() as cursor:
        cursor.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")
    assert grade_of("sql.roles") == "low"
