"""The whole product as a role with rights on rows only, its tables owned by another role: deploy/postgres-role.sh."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from personalq.embedded.binaries import find_postgres
from personalq.embedded.env_file import make_secret
from personalq.embedded.layout import REPOSITORY
from tests.embedded.running import Home, Servers, clear_away, wait_for
from tests.inspections.looking import audit, manage
from tests.product.installation import Installation, installed

pytestmark = pytest.mark.security

APP, OWNER = "personalq", "personalq_owner"
REFUSED = (psycopg.errors.InsufficientPrivilege, psycopg.errors.RestrictViolation)


@dataclass
class Divided:
    """Servers with two roles, and the product that runs there."""

    servers: Servers
    passwords: dict[str, str]
    installation: Installation

    def url(self, role: str) -> str:
        socket = self.servers.layout.postgres_socket_dir
        return f"postgres://{role}:{self.passwords[role]}@/personalq?host={socket}"

    def environment(self, role: str) -> dict[str, str]:
        return self.installation.home.environment(**{**self.installation.settings, "DATABASE_URL": self.url(role)})

    @contextmanager
    def connected(self, role: str) -> "Iterator[psycopg.Connection[tuple[Any, ...]]]":
        socket, password = str(self.servers.layout.postgres_socket_dir), self.passwords.get(role)
        with psycopg.connect(
            host=socket, dbname="personalq", user=role, password=password, autocommit=True
        ) as connection:
            yield connection


def run_script(servers: Servers, passwords: dict[str, str]) -> None:
    """deploy/postgres-role.sh, as the image of PostgreSQL runs it."""
    programs = find_postgres(os.environ)
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PGHOST": str(servers.layout.postgres_socket_dir),
        "POSTGRES_USER": "postgres",
        "PERSONALQ_DATABASE_PASSWORD": passwords[APP],
        "PERSONALQ_DATABASE_OWNER_PASSWORD": passwords[OWNER],
    }
    script = REPOSITORY / "deploy" / "postgres-role.sh"
    done = subprocess.run(["/bin/sh", str(script)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def divided(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Divided]:
    directory = tmp_path_factory.mktemp("d")
    home = Home(directory)
    servers = Servers(home)
    passwords = {APP: make_secret(), OWNER: make_secret()}
    try:
        run_script(servers, passwords)
        with installed(tmp_path_factory.mktemp("p"), {}) as installation:
            divided = Divided(servers, passwords, installation)
            installation.settings |= {
                "DATABASE_URL": divided.url(APP),
                "REDIS_URL": f"unix://{servers.layout.redis_socket}",
            }
            prepare(divided)
            yield divided
    finally:
        servers.stop()
        clear_away(home)


@pytest.fixture(scope="module")
def trail(divided: Divided) -> Divided:
    """The same, with an act in the audit trail that the product has chained."""

    def is_chained() -> bool:
        with divided.connected(APP) as connection:
            return bool(connection.execute("SELECT 1 FROM audit_events WHERE number > 0").fetchone())

    operator = divided.installation.operator
    agent = operator.make_agent("Doorkeeper", "echo")
    door = operator.call("POST", "/doors", {"name": "d", "kind": "github", "agent": agent})
    operator.call("POST", f"/doors/{door['uuid']}/rotate", {"keep_old_seconds": 0})
    wait_for(is_chained, "the chain")
    return divided


def prepare(divided: Divided) -> None:
    """What compose.yaml's `migrate` does, and then the product as the other role."""
    write_env_file(divided.installation.home.env_file)
    for arguments in (("migrate", "--no-input"), ("grant_app_role", APP)):
        done = manage(divided.environment(OWNER), *arguments)
        assert done.returncode == 0, done.stderr
    divided.installation.start()


def write_env_file(path: Path) -> None:
    names = ("SECRET_KEY", "JWT_SIGNING_KEY", "PERSONALQ_ENCRYPTION_KEYS", "PERSONALQ_AUDIT_KEYS")
    secrets = "".join(f"{name}={make_secret()}\n" for name in names)
    path.write_text(f"{secrets}PERSONALQ_HTTPS=false\nALLOWED_HOSTS=localhost,127.0.0.1\n")
    path.chmod(0o600)


def test_a_task_is_carried_out_by_web_and_worker_that_have_rights_on_rows_only(divided: Divided) -> None:
    operator = divided.installation.operator
    task = operator.run(operator.make_agent("Echo", "echo"), "carried out without owning anything")
    assert task["status"] == "complete"
    assert "without owning" in operator.output(task["uuid"])
    with divided.connected("postgres") as server:
        users = server.execute("SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = 'personalq'").fetchall()
    assert {user for (user,) in users} - {"postgres"} == {APP}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_events SET actor_name = 'somebody else'",
        "UPDATE audit_events SET facts = '{}'",
        "UPDATE audit_events SET number = number + 1",
        "DELETE FROM audit_events",
        "DELETE FROM audit_marks",
        "TRUNCATE audit_events",
        "TRUNCATE tasks CASCADE",
        "ALTER TABLE audit_events DISABLE TRIGGER ALL",
        "DROP TRIGGER audit_events_guard ON audit_events",
        "ALTER TABLE audit_events ADD COLUMN mine int",
        "DROP TABLE audit_events",
        "CREATE OR REPLACE FUNCTION audit_events_guard() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "SET session_replication_role = replica",
        "CREATE TABLE mine (a int)",
        "CREATE TEMPORARY TABLE audit_marks (kind text, number bigint)",
        "CREATE SCHEMA mine",
        "CREATE ROLE mine",
        "CREATE DATABASE mine",
        "ALTER ROLE personalq SUPERUSER",
        "SET ROLE personalq_owner",
        "SET ROLE postgres",
        "INSERT INTO django_migrations (app, name, applied) VALUES ('a', 'b', now())",
        "COPY tasks TO PROGRAM 'cat'",
        "SELECT pg_read_file('/etc/passwd')",
    ],
)
def test_the_products_role_cannot_do_what_it_does_not_need(trail: Divided, statement: str) -> None:
    with trail.connected(APP) as connection, pytest.raises(REFUSED):
        connection.execute(sql.SQL(statement))


def test_what_happened_stands_in_the_audit_trail_and_is_chained_by_that_role(trail: Divided) -> None:
    with trail.connected(APP) as connection:
        found = connection.execute("SELECT number, seal <> '' FROM audit_events WHERE kind = 'door.rotated'").fetchone()
    assert found
    assert found[0] > 0
    assert found[1]


def test_old_rows_can_be_pruned_by_that_role_and_by_no_other_way(divided: Divided) -> None:
    with divided.connected(APP) as connection:
        granted = connection.execute(
            "SELECT has_table_privilege('audit_events', 'DELETE'), has_table_privilege('audit_events', 'TRUNCATE')"
        ).fetchone()
    assert granted == (True, False)


def test_security_audit_finds_nothing_about_the_role(divided: Divided) -> None:
    url = f"http://127.0.0.1:{divided.installation.run.port}"
    _, findings = audit(divided.environment(APP), "--only", "database", "--only", "audit", "--url", url)
    grades = {name: each["grade"] for name, each in findings.items()}
    assert grades == dict.fromkeys(grades, "ok") | {"database.passwords": "info"}


def test_what_the_live_installation_answers_is_as_it_should_be(divided: Divided) -> None:
    url = f"http://127.0.0.1:{divided.installation.run.port}"
    status, findings = audit(divided.environment(APP), "--only", "served", "--url", url, "--fail-at", "low")
    assert {name: each["sentence"] for name, each in findings.items() if each["grade"] != "ok"} == {}
    assert (status, findings["served.routes"]["facts"]["routes"] > 300) == (0, True)


def test_security_audit_tells_an_owner_and_a_superuser(divided: Divided) -> None:
    _, as_owner = audit(divided.environment(OWNER), "--only", "database")
    assert as_owner["database.owner"]["grade"] == "medium"
    assert as_owner["database.audit_rights"]["grade"] == "medium"
    url = f"postgres://postgres@/personalq?host={divided.servers.layout.postgres_socket_dir}"
    status, as_superuser = audit({**divided.environment(OWNER), "DATABASE_URL": url}, "--only", "database")
    assert (status, as_superuser["database.superuser"]["grade"]) == (1, "high")


def test_rights_are_given_by_the_owner_to_a_fit_role_only(divided: Divided) -> None:
    for role in ("nobody_of_this_name", OWNER, "postgres"):
        done = manage(divided.environment(OWNER), "grant_app_role", role)
        assert done.returncode == 1, role
        assert "Traceback" not in done.stderr
    done = manage(divided.environment(APP), "grant_app_role", OWNER)
    assert done.returncode == 1


def test_what_was_given_beyond_it_is_taken_back(divided: Divided) -> None:
    with divided.connected(OWNER) as connection:
        connection.execute("GRANT ALL ON audit_events TO personalq")
        connection.execute("GRANT UPDATE (actor_name) ON audit_events TO personalq")
    _, before = audit(divided.environment(APP), "--only", "database")
    assert before["database.audit_rights"]["grade"] == "medium"
    assert manage(divided.environment(OWNER), "grant_app_role", APP).returncode == 0
    _, after = audit(divided.environment(APP), "--only", "database")
    assert after["database.audit_rights"]["grade"] == "ok"


def test_a_table_that_is_made_later_can_be_used_at_once(divided: Divided) -> None:
    with divided.connected(OWNER) as connection:
        connection.execute("CREATE TABLE made_later (id bigint GENERATED BY DEFAULT AS IDENTITY, text text)")
    with divided.connected(APP) as connection:
        connection.execute("INSERT INTO made_later (text) VALUES ('x')")
        with pytest.raises(REFUSED):
            connection.execute("TRUNCATE made_later")
    with divided.connected(OWNER) as connection:
        connection.execute("DROP TABLE made_later")


def test_a_database_that_the_products_role_owned_is_brought_under_the_owner(divided: Divided) -> None:
    with divided.connected("postgres") as server:
        server.execute("ALTER DATABASE personalq OWNER TO personalq")
        server.execute("ALTER TABLE audit_events OWNER TO personalq")
    run_script(divided.servers, divided.passwords)
    assert manage(divided.environment(OWNER), "grant_app_role", APP).returncode == 0
    _, findings = audit(divided.environment(APP), "--only", "database")
    assert findings["database.owner"]["grade"] == "ok"
