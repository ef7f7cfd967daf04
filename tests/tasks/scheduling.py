"""Schedules for tests, and making time pass for them."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.db.models import F

from accounts.models import User
from tasks import schedules
from tasks.clock import database_now
from tasks.models import Agent, Budget, Schedule, ScheduleFire, Spending, Task
from tests.makers import make_agent

MOVED = ("next_due_at", "starts_at", "last_due_at", "warned_at")


def make_schedule(owner: User, *, agent: Agent | None = None, **fields: Any) -> Schedule:
    fields = {"name": f"schedule-{uuid4().hex[:8]}", "timing": "interval", "prompt": "say this", **fields}
    if fields["timing"] == "interval":
        fields.setdefault("every_seconds", 600)
    return schedules.create(actor=owner, agent=agent or make_agent(owner), **fields)


def let_pass(schedule: Schedule, **spans: float) -> Schedule:
    """Move the schedule back in time, so that it is as if so much of it had gone by."""
    span = timedelta(**spans)
    back = {name: F(name) - span for name in MOVED}
    Schedule.objects.filter(pk=schedule.pk).update(**back)
    for fire in schedule.fires.order_by("due_at"):
        fire.due_at -= span
        fire.save(update_fields=["due_at"])
    return fresh(schedule)


def make_due(schedule: Schedule, ago: timedelta = timedelta(0)) -> datetime:
    """Let the next time be so long ago; returns that time."""
    current = fresh(schedule)
    assert current.next_due_at is not None
    let_pass(schedule, seconds=(current.next_due_at - database_now() + ago).total_seconds())
    due_at = fresh(schedule).next_due_at
    assert due_at is not None
    return due_at


def fresh(schedule: Schedule) -> Schedule:
    return Schedule.objects.get(pk=schedule.pk)


def tasks_of(schedule: Schedule) -> list[Task]:
    return list(schedule.tasks.order_by("id"))


def fires_of(schedule: Schedule) -> list[ScheduleFire]:
    return list(schedule.fires.order_by("id"))


def outcomes(schedule: Schedule) -> list[str]:
    return [fire.outcome for fire in fires_of(schedule)]


def told(schedule: Schedule) -> list[str]:
    """The kinds of a schedule's events, oldest first."""
    return list(schedule.events.order_by("id").values_list("kind", flat=True))


def use_up_budget(agent: Agent) -> Budget:
    month = database_now().date().replace(day=1)
    Spending.objects.create(owner=agent.owner, agent=agent, month=month, tokens=10)
    return Budget.objects.create(owner=agent.owner, agent=agent, scope="total", token_limit=10)
