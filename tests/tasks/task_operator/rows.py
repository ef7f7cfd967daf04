"""Rows as SQL writes them, and what becomes of them."""

from datetime import timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from tasks import lifecycle
from tasks.claims import Claim
from tasks.models import Agent, Task
from tests.makers import claim_next


def sql(statement: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)


def insert(prompt: str = "from sql", order: int = 0) -> Task:
    sql("""INSERT INTO tasks (prompt, "order", status) VALUES (%s, %s, 0)""", prompt, order)
    return Task.objects.latest("id")


def insert_adopted(prompt: str = "from sql", order: int = 0) -> Task:
    """A row of SQL that a sweep has recorded while nothing was handed out."""
    task = insert(prompt, order)
    assert lifecycle.adopt(task_id=task.pk)
    return task


def fresh(task: Task) -> Task:
    return Task.objects.select_related("agent", "owner", "queue").get(pk=task.pk)


def start_next(agent: Agent) -> tuple[Task, Claim]:
    task = claim_next(agent.queue)
    return task, Claim.of(task)


def switch_by_sql(value: str) -> None:
    sql(
        "INSERT INTO system_settings (name, value) VALUES ('task_operator', %s::jsonb) "
        "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        value,
    )


def let_it_be_due(task: Task) -> None:
    Task.objects.filter(pk=task.pk).update(not_before_at=timezone.now() - timedelta(seconds=1))
