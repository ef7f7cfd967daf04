"""The SQL that agents of the older systems were taught works on this table as it is written."""

from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from tasks import events, lifecycle, sweep
from tasks.claims import ClaimLost
from tasks.models import Task
from tasks.states import Status
from tests.makers import kinds, make_agent, make_running, make_task, make_user

pytestmark = pytest.mark.django_db(transaction=True)


def sql(statement: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return list(cursor.fetchall()) if cursor.description else []


def insert(prompt: str = "from sql") -> Task:
    sql(f"""INSERT INTO tasks (prompt, "order", status) VALUES ('{prompt}', 0, 0)""")
    return Task.objects.latest("id")


def test_insert_needs_three_columns_only() -> None:
    task = insert("it''s done")
    assert (task.prompt, task.state, task.source, task.owner) == ("it's done", Status.READY, "sql", None)
    assert task.uuid is not None
    assert task.createdat is not None


def test_insert_of_a_prompt_alone_is_ready_and_in_the_middle() -> None:
    sql("INSERT INTO tasks (prompt) VALUES ('nothing but this')")
    assert sql('SELECT status, "order" FROM tasks') == [(0, 0)]


def test_no_two_rows_have_one_uuid() -> None:
    task = insert()
    with pytest.raises(IntegrityError, match="uuid"), transaction.atomic():
        sql("INSERT INTO tasks (prompt, uuid) VALUES ('another', %s)", task.uuid)
    assert Task.objects.count() == 1


@pytest.mark.parametrize(
    ("number", "word"),
    [*enumerate(["ready", "complete", "archived", "backlogged", "running", "failed", "cancelled"])],
)
def test_each_status_has_its_number(number: int, word: str) -> None:
    assert (Status(number).word, Status.from_word(word)) == (word, number)
    assert len(Status) == 7


def test_next_statement_finds_the_lowest_order_first() -> None:
    insert("later")
    sql("""INSERT INTO tasks (prompt, "order", status) VALUES ('sooner', -5, 0)""")
    columns = [field.column for field in Task._meta.concrete_fields]
    (row,) = sql("""SELECT * FROM tasks WHERE status = 0 ORDER BY "order" ASC, id ASC LIMIT 1""")
    assert row[columns.index("prompt")] == "sooner"


@pytest.mark.parametrize("status", [1, 2, 3])
def test_taught_updates_leave_a_consistent_row(status: int) -> None:
    task = insert()
    sql(f"UPDATE tasks SET status = {status}, updatedat = CURRENT_TIMESTAMP WHERE id = {task.pk}")
    changed = Task.objects.get(pk=task.pk)
    assert changed.status == status
    assert changed.updatedat > task.updatedat
    assert (changed.finished_at is not None) == (status in {1, 2})


@pytest.mark.parametrize("status", [0, 1, 2, 3, 5, 6])
def test_running_task_may_be_moved_by_sql_and_its_worker_is_refused(status: int) -> None:
    task, claim = make_running(make_agent(make_user()))
    sql(f"UPDATE tasks SET status = {status} WHERE id = {task.pk}")
    with pytest.raises(ClaimLost):
        lifecycle.complete(claim=claim, result="late")
    assert lifecycle.heartbeat([claim]) == set()
    assert Task.objects.get(pk=task.pk).lease_expires_at is None


def test_there_and_back_before_anybody_looked() -> None:
    task = make_task(make_agent(make_user()))
    for status in (1, 0, 2, 3):
        sql(f"UPDATE tasks SET status = {status} WHERE id = {task.pk}")
    sweep.sweep()
    assert kinds(task) == [events.CREATED, events.ADOPTED]


def test_sweep_records_what_sql_wrote() -> None:
    task = insert()
    sweep.sweep()
    adopted = Task.objects.get(pk=task.pk)
    assert kinds(task) == [events.CREATED]
    assert adopted.queue is not None
    assert adopted.queue.name == "default"
    sql(f"UPDATE tasks SET status = 1 WHERE id = {task.pk}")
    sweep.sweep()
    sweep.sweep()
    assert kinds(task) == [events.CREATED, events.ADOPTED]


def test_row_without_agent_is_not_claimed() -> None:
    task = insert()
    sweep.sweep()
    queue_id = Task.objects.get(pk=task.pk).queue_id
    assert queue_id is not None
    assert lifecycle.claim(queue_id=queue_id, worker="w").tasks == []


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        ("INSERT INTO tasks (prompt, status) VALUES ('x', 9)", "task_status_known"),
        ("INSERT INTO tasks (prompt, status) VALUES ('x', 4)", "task_lease_exactly_while_running"),
        ("INSERT INTO tasks (prompt) VALUES ('')", "task_prompt_length"),
        ("INSERT INTO tasks (prompt) VALUES (repeat('x', 200001))", "task_prompt_length"),
        ("INSERT INTO tasks (prompt) VALUES (NULL)", "prompt"),
    ],
)
def test_rows_outside_the_rules_are_refused_by_name(statement: str, constraint: str) -> None:
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        sql(statement)


def test_every_change_moves_updatedat() -> None:
    task = insert()
    sql(f"UPDATE tasks SET prompt = 'changed' WHERE id = {task.pk}")
    assert Task.objects.get(pk=task.pk).updatedat > task.updatedat
