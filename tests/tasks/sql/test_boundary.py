"""What a role for SQL cannot reach, however it asks."""

import threading

import psycopg
import pytest
from django.db import connection, transaction

from tasks import lifecycle, locks, sql_access
from tasks.models import Task
from tasks.sql_access.doors import find_doors
from tests.concurrency.racing import race
from tests.makers import make_agent, make_queue, make_running, make_task, make_user
from tests.tasks.sql.agent import Agent, connect

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.security]

REFUSED = (psycopg.errors.InsufficientPrivilege, psycopg.errors.WrongObjectType)


def tables() -> list[str]:
    return connection.introspection.table_names()


def test_no_table_of_the_product_can_be_read_or_written(agent: Agent) -> None:
    assert len(tables()) > 20
    for table in tables():
        for statement in (
            f'SELECT * FROM public."{table}"',
            f'SELECT 1 FROM public."{table}"',
            f'INSERT INTO public."{table}" DEFAULT VALUES',
            f'DELETE FROM public."{table}"',
            f'LOCK TABLE public."{table}" IN ACCESS SHARE MODE',
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                agent.run(f"SET lock_timeout = 0; {statement}")


def test_columns_beyond_the_older_ones_are_not_there(agent: Agent) -> None:
    columns = {field.column for field in Task._meta.concrete_fields}
    for column in columns - {"id", "prompt", "status", "createdat", "updatedat", "order", "uuid"}:
        with pytest.raises(psycopg.errors.UndefinedColumn):
            agent.run(f'SELECT "{column}" FROM tasks')


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM tasks",
        "TRUNCATE tasks",
        "UPDATE tasks SET prompt = 'other words'",
        "UPDATE tasks SET uuid = gen_random_uuid()",
        "UPDATE tasks SET id = id + 1",
        "UPDATE tasks SET createdat = now()",
        "INSERT INTO tasks (prompt, uuid) VALUES ('x', gen_random_uuid())",
        "INSERT INTO tasks (id, prompt) VALUES (1, 'x')",
        "INSERT INTO tasks (prompt, createdat) VALUES ('x', now())",
        "INSERT INTO tasks (prompt) VALUES ('x') ON CONFLICT (uuid) DO UPDATE SET prompt = 'x'",
        "MERGE INTO tasks USING (SELECT 1) ON false WHEN NOT MATCHED THEN INSERT (uuid) VALUES (gen_random_uuid())",
        "BEGIN; LOCK TABLE tasks IN ROW SHARE MODE",
        "BEGIN; LOCK TABLE tasks IN ROW EXCLUSIVE MODE",
        "BEGIN; LOCK TABLE tasks IN SHARE ROW EXCLUSIVE MODE",
        "BEGIN; LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE",
        "ALTER VIEW tasks SET (security_barrier = false)",
        "CREATE OR REPLACE VIEW tasks AS SELECT * FROM public.tasks",
        "CREATE TABLE mine (a int)",
        "CREATE TABLE public.mine (a int)",
        "CREATE TEMPORARY TABLE mine (a int)",
        "CREATE FUNCTION pg_temp.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE SCHEMA mine",
        "CREATE EXTENSION vector",
        "CREATE ROLE mine",
        "CREATE DATABASE mine",
        "SET ROLE postgres",
        "SET SESSION AUTHORIZATION postgres",
        "ALTER ROLE postgres PASSWORD 'x'",
        "COPY tasks (prompt) FROM PROGRAM 'id'",
        "COPY tasks TO PROGRAM 'cat'",
        "COPY tasks TO '/tmp/tasks'",
        "COPY tasks (prompt) FROM '/etc/passwd'",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT pg_ls_dir('/')",
        "SELECT lo_import('/etc/passwd')",
        "SELECT lo_create(0)",
        "SELECT lo_from_bytea(0, 'x')",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'",
        "SELECT pg_advisory_lock(7041776201)",
        "SELECT pg_advisory_xact_lock_shared(20817::bigint << 48)",
        "SELECT pg_try_advisory_lock(1, 2)",
        "SET search_path = public; SELECT next_task_event_id()",
        "SELECT nextval('public.tasks_id_seq')",
        "SELECT setval('public.tasks_id_seq', 1)",
        "SELECT lastval() FROM tasks",
        "SELECT rolpassword FROM pg_authid",
        "SELECT * FROM pg_hba_file_rules",
        "SET temp_file_limit = -1",
        "CREATE EVENT TRIGGER mine ON ddl_command_start EXECUTE FUNCTION public.tasks_keep_consistent()",
        "CREATE PUBLICATION mine FOR ALL TABLES",
        "SELECT pg_create_physical_replication_slot('mine')",
    ],
)
def test_ways_around_are_closed(agent: Agent, statement: str) -> None:
    agent.run("INSERT INTO tasks (prompt) VALUES ('as it was')")
    with pytest.raises(REFUSED):
        agent.run(statement)
    assert list(Task.objects.values_list("prompt", "status")) == [("as it was", 0)]


def test_nothing_else_is_open_to_it(agent: Agent) -> None:
    assert [door.harm for door in find_doors(role=agent.name)] == []


def test_another_search_path_finds_nothing_more(agent: Agent) -> None:
    agent.run("SET search_path = public, pg_temp")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        agent.run("SELECT * FROM tasks")


def test_other_databases_are_closed(agent: Agent) -> None:
    for database in ("postgres", "template1"):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            connect(agent.name, agent.password, database=database)


def test_wrong_password_does_not_get_in(agent: Agent) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(agent.name, "wrong")


def test_tasks_of_owners_cannot_be_changed_or_probed(agent: Agent) -> None:
    task = make_task(make_agent(make_user()), prompt="secret words")
    agent.run("UPDATE tasks SET status = 2")
    agent.run(f"UPDATE tasks SET status = 2 WHERE id = {task.pk}")
    # A condition that fails on the row would tell its text, if the row were looked at before the view's own condition.
    assert agent.run("SELECT id FROM tasks WHERE (prompt || 'x')::integer = 1") == []
    assert Task.objects.get(pk=task.pk).status == 0


def test_view_looks_at_its_own_condition_first_and_lets_no_row_leave_it(agent: Agent) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT reloptions FROM pg_class WHERE oid = 'agent_sql.tasks'::regclass")
        assert set(cursor.fetchone()[0]) == {"security_barrier=true", "check_option=cascaded"}


def test_refusal_shows_nothing_of_the_row_that_is_out_of_sight(agent: Agent) -> None:
    task, _claim = make_running(make_agent(make_user()))
    Task.objects.filter(pk=task.pk).update(source="sql", error_detail="for operators only", title="told to nobody")
    with pytest.raises(psycopg.errors.CheckViolation) as caught:
        agent.run("UPDATE tasks SET status = 7")
    assert "operators" not in str(caught.value)
    assert "told" not in str(caught.value)


def test_connections_are_counted(agent: Agent) -> None:
    others: list[psycopg.Connection[tuple[object, ...]]] = []
    try:
        with pytest.raises(psycopg.OperationalError, match="too many connections for role"):
            for _ in range(11):
                others.append(connect(agent.name, agent.password))  # noqa: PERF401 - those before the limit are closed
    finally:
        for other in others:
            other.close()
    assert len(others) == 9


def test_sessions_begin_with_limits(agent: Agent) -> None:
    names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout")
    shown = [agent.run(f"SHOW {name}")[0][0] for name in (*names, "temp_file_limit")]
    assert shown == ["30s", "5s", "15s", "10min", "256MB"]


def test_rows_held_by_a_role_stop_neither_claims_nor_others(agent: Agent) -> None:
    agent.run("INSERT INTO tasks (prompt) VALUES ('held')")
    agent.run("BEGIN")
    agent.run("SELECT * FROM tasks FOR UPDATE")
    queue = make_queue()
    task = make_task(make_agent(make_user(), queue=queue))
    (claimed,) = race(lambda: lifecycle.claim(queue_id=queue.pk, worker="w"))
    assert [each.pk for each in claimed.tasks] == [task.pk]


def test_claims_go_on_while_a_role_asks_for_their_lock(agent: Agent) -> None:
    held = threading.Event()

    def ask() -> None:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            agent.run("BEGIN; SELECT pg_advisory_xact_lock(7041776201)")
        held.set()

    def claim() -> None:
        assert held.wait(timeout=10)
        with transaction.atomic():
            locks.hold_claims()

    assert race(ask, claim) == [None, None]


def test_what_everybody_may_do_is_told_when_it_cannot_be_closed(agent: Agent) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE VIEW public.of_others AS SELECT 1 AS a; GRANT SELECT ON public.of_others TO PUBLIC")
    try:
        (door,) = find_doors(role=agent.name)
        assert sql_access.describe_doors([door]) == [
            "-- It can use more than its own view.",
            "-- REVOKE ALL ON public.of_others FROM PUBLIC;",
        ]
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP VIEW public.of_others")
