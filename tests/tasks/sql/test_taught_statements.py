"""The statements that agents of the older systems were taught, literally, as the role that is made for them."""

import psycopg
import pytest

from tasks import events, lifecycle, sweep
from tasks.claims import ClaimLost
from tasks.models import Task
from tasks.states import Status
from tests.makers import kinds, make_agent, make_running, make_task, make_user
from tests.tasks.sql.agent import Agent

pytestmark = pytest.mark.django_db(transaction=True)

OLDER_COLUMNS = ["id", "prompt", "status", "createdat", "updatedat", "order", "uuid"]


def queue(agent: Agent, prompt: str = "Add tests", order: int = 0) -> Task:
    agent.run(f"""INSERT INTO tasks (prompt, "order", status) VALUES ('{prompt}', {order}, 0)""")
    return Task.objects.latest("id")


def test_whole_taught_session(agent: Agent) -> None:
    agent.run("""INSERT INTO tasks (prompt, "order", status) VALUES ('Write the report, it''s due', 0, 0)""")
    agent.run("""INSERT INTO tasks (prompt, "order", status) VALUES ('Tidy up', 0, 0)""")
    statement = 'SELECT * FROM tasks WHERE status = 0 ORDER BY "order" ASC, id ASC LIMIT 1'
    (row,) = agent.run(statement)
    assert agent.columns(statement) == OLDER_COLUMNS
    assert row[1] == "Write the report, it's due"
    agent.run(f"UPDATE tasks SET status = 1 WHERE id = {row[0]}")
    (row,) = agent.run(statement)
    assert row[1] == "Tidy up"
    agent.run(f"UPDATE tasks SET status = 3 WHERE id = {row[0]}")
    agent.run(f"UPDATE tasks SET status = 2 WHERE id = {row[0]}")
    assert agent.run(statement) == []
    assert list(Task.objects.order_by("id").values_list("status", "source", "trusted")) == [
        (Status.COMPLETE, "sql", False),
        (Status.ARCHIVED, "sql", False),
    ]


def test_lowest_order_is_next(agent: Agent) -> None:
    queue(agent, "later", 5)
    queue(agent, "sooner", -5)
    rows = agent.run('SELECT prompt FROM tasks WHERE status = 0 ORDER BY "order" ASC, id ASC')
    assert rows == [("sooner",), ("later",)]


@pytest.mark.parametrize("now", ["now()", "CURRENT_TIMESTAMP", "'2001-01-01'"])
def test_updatedat_may_be_written_and_the_database_says_what_it_is(agent: Agent, now: str) -> None:
    task = queue(agent)
    agent.run(f"UPDATE tasks SET status = 1, updatedat = {now} WHERE id = {task.pk}")
    changed = Task.objects.get(pk=task.pk)
    assert changed.updatedat > task.updatedat
    assert changed.finished_at is not None


@pytest.mark.parametrize(
    "statement",
    [
        'SELECT id, prompt, status, createdat, updatedat, "order", uuid FROM tasks',
        "SELECT count(*) FROM tasks WHERE status IN (0, 4)",
        """INSERT INTO tasks (prompt, "order", status) VALUES ('one', 1, 0), ('two', 2, 3) RETURNING id, uuid""",
        "INSERT INTO tasks (prompt) VALUES ('just this') ON CONFLICT DO NOTHING",
        'UPDATE tasks SET "order" = 7 WHERE status = 0',
        "UPDATE tasks SET status = 3 WHERE id = (SELECT id FROM tasks WHERE status = 0 LIMIT 1 FOR UPDATE SKIP LOCKED)",
        "BEGIN; UPDATE tasks SET status = 0; ROLLBACK",
    ],
)
def test_what_older_prompts_may_say_beside_works(agent: Agent, statement: str) -> None:
    agent.run(statement)


def test_history_and_queue_come_with_the_sweep(agent: Agent) -> None:
    task = queue(agent)
    sweep.sweep()
    agent.run(f"UPDATE tasks SET status = 1 WHERE id = {task.pk}")
    sweep.sweep()
    assert kinds(task) == [events.CREATED, events.ADOPTED]
    assert Task.objects.get(pk=task.pk).queue is not None


def test_task_that_was_handed_out_stays_in_sight_and_its_worker_is_refused(agent: Agent) -> None:
    task, claim = make_running(make_agent(make_user()))
    Task.objects.filter(pk=task.pk).update(source="sql")
    assert agent.run("SELECT id, status FROM tasks") == [(task.pk, 4)]
    agent.run(f"UPDATE tasks SET status = 1 WHERE id = {task.pk}")
    with pytest.raises(ClaimLost):
        lifecycle.complete(claim=claim, result="late")


def test_imported_task_is_in_sight_and_others_are_not(agent: Agent) -> None:
    imported, _other = (make_task(make_agent(make_user())) for _ in range(2))
    Task.objects.filter(pk=imported.pk).update(source="import")
    assert agent.run("SELECT id FROM tasks") == [(imported.pk,)]


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("INSERT INTO tasks (prompt, status) VALUES ('x', 7)", "task_status_known"),
        ("INSERT INTO tasks (prompt, status) VALUES ('x', 4)", "task_lease_exactly_while_running"),
        ("INSERT INTO tasks (prompt, status) VALUES ('x', 70000)", "smallint out of range"),
        ("INSERT INTO tasks (prompt) VALUES ('')", "task_prompt_length"),
        ("INSERT INTO tasks (prompt) VALUES (repeat('x', 200001))", "task_prompt_length"),
        ("INSERT INTO tasks (prompt) VALUES (NULL)", 'null value in column "prompt"'),
        ("INSERT INTO tasks (prompt) VALUES (E'a\\x00b')", "invalid byte sequence"),
        ("INSERT INTO tasks (prompt) VALUES ('a' || chr(0))", "null character not permitted"),
        ("""INSERT INTO tasks (prompt, "order") VALUES ('x', 2147483648)""", "integer out of range"),
        ("UPDATE tasks SET status = 7", "task_status_known"),
        ("UPDATE tasks SET status = 4", "task_lease_exactly_while_running"),
        ("UPDATE tasks SET status = NULL", 'null value in column "status"'),
    ],
)
def test_rows_outside_the_rules_are_refused_with_the_reason(agent: Agent, statement: str, reason: str) -> None:
    before = queue(agent)
    with pytest.raises(psycopg.Error, match=reason):
        agent.run(statement)
    assert list(Task.objects.values_list("pk", "status")) == [(before.pk, Status.READY)]


def test_longest_prompt_is_taken(agent: Agent) -> None:
    agent.run("INSERT INTO tasks (prompt) VALUES (repeat('x', 200000))")
    assert len(Task.objects.get().prompt) == 200_000


@pytest.mark.parametrize("status", range(7))
@pytest.mark.parametrize("before", [0, 1, 2, 3, 5, 6])
def test_every_other_change_leaves_a_consistent_row(agent: Agent, before: int, status: int) -> None:
    task = queue(agent)
    agent.run(f"UPDATE tasks SET status = {before}")
    if status == Status.RUNNING:
        with pytest.raises(psycopg.errors.CheckViolation):
            agent.run(f"UPDATE tasks SET status = {status}")
        return
    agent.run(f"UPDATE tasks SET status = {status}")
    changed = Task.objects.get(pk=task.pk)
    assert (changed.finished_at is not None) == (status in {1, 2, 5, 6})
    assert (changed.archived_from is not None) == (status == Status.ARCHIVED)
    assert (changed.error_code != "") == (Status.FAILED in {before, status})
