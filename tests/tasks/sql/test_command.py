"""`manage.py create_sql_role`: made, renewed, printed, removed; and what it says when it may not."""

import stat
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any, Self

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from psycopg import sql

from tasks.models import Task
from tests.tasks.sql.agent import Agent, connect, name_role

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def name() -> Iterator[str]:
    name = name_role()
    yield name
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_roles WHERE rolname = %s", [name])
        is_there = cursor.rowcount
    if is_there:
        call_command("create_sql_role", name, "--drop", stdout=StringIO())


def run(*arguments: str) -> tuple[str, str]:
    """What the command writes to standard output and to standard error."""
    out, err = StringIO(), StringIO()
    call_command("create_sql_role", *arguments, stdout=out, stderr=err, no_color=True)
    return out.getvalue(), err.getvalue()


def password_in(text: str, name: str) -> str:
    (line,) = [line for line in text.splitlines() if line.startswith(f"The password of {name}: ")]
    return line.rpartition(" ")[2]


def execute(statement: str, *names: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def can_work(name: str, password: str) -> bool:
    with Agent(name, password) as agent:
        return agent.run("INSERT INTO tasks (prompt) VALUES ('x') RETURNING status") == [(0,)]


def test_role_is_made_and_its_password_shown_once(name: str) -> None:
    out, err = run(name)
    assert can_work(name, password_in(out, name))
    assert f"user={name}" in out
    assert str(connection.settings_dict["HOST"]) in out
    assert err == ""
    again, _ = run(name)
    assert "keeps its password" in again
    assert "The password of" not in again


def test_repeating_it_renews_rights_and_leaves_the_password(name: str) -> None:
    password = password_in(run(name)[0], name)
    execute("REVOKE ALL ON agent_sql.tasks FROM {}", name)
    execute("GRANT DELETE ON agent_sql.tasks TO {}", name)
    run(name)
    assert can_work(name, password)
    with Agent(name, password) as agent, pytest.raises(psycopg.errors.InsufficientPrivilege):
        agent.run("DELETE FROM tasks")


def test_new_password_ends_the_old_one_and_what_was_connected_with_it(name: str) -> None:
    old = password_in(run(name)[0], name)
    with Agent(name, old) as agent:
        new = password_in(run(name, "--new-password")[0], name)
        with pytest.raises(psycopg.OperationalError):
            agent.run("SELECT 1")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(name, old)
    assert can_work(name, new)


def test_password_goes_into_a_private_file(name: str, tmp_path: Path) -> None:
    file = tmp_path / "password"
    out, err = run(name, "--password-file", str(file))
    password = file.read_text().strip()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert password not in out + err
    assert can_work(name, password)


@pytest.mark.parametrize("kind", ["file", "link", "no directory"])
def test_file_that_cannot_be_made_anew_stops_it_before_anything_happens(name: str, tmp_path: Path, kind: str) -> None:
    file = tmp_path / "password"
    if kind == "file":
        file.write_text("kept")
    elif kind == "link":
        file.symlink_to(tmp_path / "elsewhere")
    else:
        file = tmp_path / "none" / "password"
    with pytest.raises(CommandError, match="Name a file that is not there"):
        run(name, "--password-file", str(file))
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_roles WHERE rolname = %s", [name])
        assert cursor.rowcount == 0
    assert not (tmp_path / "elsewhere").exists()


def test_nothing_is_left_of_the_file_when_no_password_was_made(name: str, tmp_path: Path) -> None:
    run(name)
    run(name, "--password-file", str(tmp_path / "password"))
    assert list(tmp_path.iterdir()) == []


def test_password_is_in_no_statement(name: str) -> None:
    seen: list[str] = []

    def look(execute: Any, statement: Any, values: Any, many: bool, context: Any) -> Any:  # noqa: FBT001 - Django's
        seen.append(statement if isinstance(statement, str) else statement.as_string(None))
        return execute(statement, values, many, context)

    with connection.execute_wrapper(look):
        password = password_in(run(name)[0], name)
    assert any("CREATE ROLE" in statement and "SCRAM-SHA-256$" in statement for statement in seen)
    assert password not in "".join(seen)


def test_drop_ends_connections_and_takes_everything_away(name: str) -> None:
    password = password_in(run(name)[0], name)
    with Agent(name, password) as agent:
        assert run(name, "--drop")[0] == f"The role {name} is gone.\n"
        with pytest.raises(psycopg.OperationalError):
            agent.run("SELECT 1")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(name, password)
    with pytest.raises(CommandError, match="There is no role"):
        run(name, "--drop")


def test_view_goes_with_the_last_role(name: str) -> None:
    other = name_role()
    password = password_in(run(name)[0], name)
    run(other)
    run(other, "--drop")
    assert can_work(name, password)
    run(name, "--drop")
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regnamespace('agent_sql')")
        assert cursor.fetchone() == (None,)


@pytest.mark.parametrize(
    "bad",
    [
        "", "A", "1a", "a-b", "a b", 'a"b', "a'b", "a;drop", "a\n", "pg_agent", "public", "postgres", "none", "ä",
        "a" * 64, "current_user", "a\0", "%s", "a.b", "/a", "+a",
    ],
)  # fmt: skip
def test_odd_names_are_refused(bad: str) -> None:
    for option in ([], ["--drop"], ["--print-sql"]):
        with pytest.raises(CommandError, match="Use a lower-case letter"):
            run(bad, *option)


@pytest.mark.parametrize("name_of_sql", ["select", "table", "user_", "all", "tasks"])
def test_words_of_sql_are_names_like_others(name_of_sql: str) -> None:
    try:
        assert can_work(name_of_sql, password_in(run(name_of_sql)[0], name_of_sql))
    finally:
        run(name_of_sql, "--drop")


@pytest.mark.parametrize("option", [[], ["--new-password"], ["--drop"], ["--print-sql"]])
def test_role_of_somebody_else_is_left_alone(name: str, option: list[str]) -> None:
    execute("CREATE ROLE {} NOLOGIN", name)
    try:
        with pytest.raises(CommandError, match="not made here"):
            run(name, *option)
    finally:
        execute("DROP ROLE {}", name)


@pytest.mark.parametrize("more", ["SUPERUSER", "CREATEROLE", "CREATEDB", "REPLICATION", "BYPASSRLS"])
def test_role_that_was_given_more_is_not_renewed(name: str, more: str) -> None:
    run(name)
    execute(f"ALTER ROLE {{}} {more}", name)
    with pytest.raises(CommandError, match="Somebody gave"):
        run(name)
    execute(f"ALTER ROLE {{}} NO{more}", name)


def test_member_of_another_role_is_not_renewed(name: str) -> None:
    run(name)
    execute("GRANT pg_read_all_data TO {}", name)
    with pytest.raises(CommandError, match="Somebody gave"):
        run(name)
    execute("REVOKE pg_read_all_data FROM {}", name)


class AsOwner:
    """The product with a database user that is no superuser, as on a server of one's own."""

    def __init__(self, *, powers: str = "") -> None:
        self.name = name_role()
        self._powers = powers

    def __enter__(self) -> Self:
        execute(f"CREATE ROLE {{}} {self._powers}", self.name)
        execute("GRANT ALL ON tasks, audit_events, audit_marks TO {}", self.name)
        execute("GRANT ALL ON SEQUENCE audit_events_id_seq, audit_marks_id_seq TO {}", self.name)
        database = str(connection.settings_dict["NAME"])
        execute("GRANT CREATE, CONNECT ON DATABASE {} TO {} WITH GRANT OPTION", database, self.name)
        execute("SET SESSION AUTHORIZATION {}", self.name)
        return self

    def __exit__(self, *_: object) -> None:
        execute("RESET SESSION AUTHORIZATION")
        execute("DROP OWNED BY {}", self.name)
        execute("DROP ROLE {}", self.name)


def test_user_that_may_not_make_roles_is_told_what_to_do(name: str) -> None:
    with AsOwner(), pytest.raises(CommandError, match="--print-sql"):
        run(name)


def test_user_that_may_make_roles_makes_one_and_tells_what_it_cannot_close(name: str) -> None:
    with AsOwner(powers="CREATEROLE"):
        execute("RESET SESSION AUTHORIZATION")
        execute("GRANT EXECUTE ON FUNCTION pg_advisory_lock(bigint), lo_create(oid) TO PUBLIC")
    with AsOwner(powers="CREATEROLE") as product:
        out, err = run(name)
        assert "It can take the locks under which tasks are claimed" in err
        assert "REVOKE EXECUTE ON FUNCTION" in err
        assert f'TO "{product.name}"' in err
        assert can_work(name, password_in(out, name))
        run(name, "--drop")
    run(name)


def test_script_for_an_administrator_makes_the_same_role(name: str) -> None:
    with AsOwner() as product:
        script, told = run(name, "--print-sql")
        execute("RESET SESSION AUTHORIZATION")
        password = password_in(told, name)
        assert password not in script
        with connection.cursor() as cursor:
            cursor.execute(script)
            cursor.execute("SELECT viewowner FROM pg_views WHERE schemaname = 'agent_sql'")
            assert cursor.fetchone() == (product.name,)
        assert can_work(name, password)
        execute("ALTER SCHEMA agent_sql OWNER TO CURRENT_USER")
        execute("ALTER VIEW agent_sql.tasks OWNER TO CURRENT_USER")
    assert Task.objects.count() == 1


def test_role_without_its_view_can_be_removed_and_made_whole(name: str) -> None:
    password = password_in(run(name)[0], name)
    execute("DROP SCHEMA agent_sql CASCADE")
    run(name)
    assert can_work(name, password)
    execute("DROP SCHEMA agent_sql CASCADE")
    assert run(name, "--drop")[0] == f"The role {name} is gone.\n"


def test_printing_changes_nothing(name: str) -> None:
    run(name, "--print-sql")
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_roles WHERE rolname = %s", [name])
        assert cursor.rowcount == 0
