"""Schedules, the task operator, usage and approvals by MCP."""

from datetime import date
from typing import Any

import pytest

from accounts.models import User
from tasks.models import Agent as TaskAgent
from tasks.models import Approval, Budget, Schedule, Spending, Task
from tasks.models.task import Source
from tests.makers import make_agent, make_operator, make_task
from tests.mcp.talking import Agent, token_of

pytestmark = pytest.mark.django_db(transaction=True)

DAILY = {
    "name": "daily",
    "timing": "cron",
    "cron": "0 8 * * *",
    "zone": "Europe/Berlin",
    "agent": "echo",
    "prompt": "p",
}


def test_schedule_lives_over_mcp(as_alice: Agent, echo: TaskAgent) -> None:
    made = as_alice.ask("create_schedule", **DAILY, idempotency_key="k")
    assert as_alice.ask("create_schedule", **DAILY, idempotency_key="k") == made
    assert (made["name"], made["zone"], len(made["upcoming"])) == ("daily", "Europe/Berlin", 5)
    assert [row["uuid"] for row in as_alice.ask("list_schedules", agent="echo")["results"]] == [made["uuid"]]
    assert as_alice.ask("pause_schedule", schedule="daily")["is_paused"] is True
    assert as_alice.ask("pause_schedule", schedule=made["uuid"])["is_paused"] is True
    task = as_alice.ask("run_schedule", schedule="daily", idempotency_key="r")
    assert as_alice.ask("run_schedule", schedule="daily", idempotency_key="r") == task
    assert Task.objects.get().schedule == Schedule.objects.get()


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"cron": "61 * * * *"}, "cron"),
        ({"cron": "* * *"}, "cron"),
        ({"zone": "Mars/Olympus"}, "zone"),
        ({"name": "a/b"}, "name"),
        ({"name": "x" * 10_000}, "name"),
        ({"agent": "nobody"}, "agent"),
        ({"timing": "sometimes"}, "timing"),
        ({"overlap_policy": "x"}, "overlap_policy"),
        ({"starts_at": "2026-02-30T00:00:00Z"}, "starts_at"),
        ({"every_seconds": 0}, "every_seconds"),
        ({"typo": 1}, "typo"),
    ],
)
def test_bad_schedule_is_refused(as_alice: Agent, echo: TaskAgent, changed: dict[str, Any], field: str) -> None:
    error = as_alice.refused("create_schedule", **{**DAILY, **changed})
    assert error["code"] == "validation_error"
    assert field in {each["field"] for each in error["errors"]}
    assert not Schedule.objects.exists()


@pytest.mark.parametrize("tool", ["pause_schedule", "run_schedule"])
def test_schedule_that_is_none_is_refused(as_alice: Agent, tool: str) -> None:
    assert as_alice.refused(tool, schedule="nothing")["code"] == "not_found"
    assert as_alice.refused(tool, schedule="")["code"] == "validation_error"
    assert as_alice.refused(tool)["errors"][0]["field"] == "schedule"
    assert as_alice.refused(tool, schedule="x", more=1)["errors"][0]["code"] == "unknown_field"


def test_operator_turns_the_task_operator(url: str, transactional_db: None) -> None:
    olga = make_operator("olga")
    make_agent(olga, name="default-agent")
    agent = Agent(url, token_of(olga))
    turned = agent.ask("enable_task_operator", agent="default-agent")
    assert turned["is_on"] is True
    assert agent.ask("disable_task_operator")["is_on"] is False
    assert agent.refused("enable_task_operator", agent="none")["code"] == "validation_error"
    assert agent.refused("disable_task_operator", agent="none")["errors"][0]["code"] == "unknown_field"


@pytest.mark.security
def test_others_do_not(as_alice: Agent) -> None:
    assert as_alice.refused("enable_task_operator")["code"] == "permission_denied"
    assert as_alice.refused("disable_task_operator")["code"] == "permission_denied"


def test_usage_comes_with_budgets(as_alice: Agent, alice: User, echo: TaskAgent) -> None:
    month = date.today().replace(day=1)  # noqa: DTZ011 - the month is that of UTC, as the machine's
    Spending.objects.create(owner=alice, agent=echo, month=month, tokens=1_000, cost="1.25")
    Budget.objects.create(owner=alice, agent=echo, scope="month", token_limit=2_000)
    usage = as_alice.ask("get_usage", months=2)
    assert [(row["agent_name"], row["tokens"], row["cost"]) for row in usage["results"]] == [
        ("echo", 1_000, "1.250000")
    ]
    assert [row["remaining"]["tokens"] for row in usage["budgets"]] == [1_000]
    assert as_alice.refused("get_usage", months=25)["errors"][0]["field"] == "months"
    assert as_alice.refused("get_usage", owner="all")["code"] == "permission_denied"


def test_approval_is_read_and_given(as_alice: Agent, alice: User) -> None:
    task = make_task(make_agent(alice, name="careful", needs_approval=True), "delicate")
    (row,) = as_alice.ask("list_approvals", state="pending")["results"]
    (full,) = as_alice.ask("list_approvals", approval=row["uuid"])["results"]
    assert (full["task"], full["prompt"]) == (str(task.uuid), "delicate")
    for digest in ({}, {"text_digest": "0" * 63}):
        error = as_alice.refused("answer_approval", approval=row["uuid"], answer="approve", **digest)
        assert error["errors"][0]["field"] == "text_digest"
    stale = as_alice.refused("answer_approval", approval=row["uuid"], answer="approve", text_digest="0" * 64)
    assert stale["code"] == "approval_text_changed"
    answered = as_alice.ask(
        "answer_approval", approval=row["uuid"], answer="approve", text_digest=full["text_digest"], comment="fine"
    )
    assert (answered["state"], answered["comment"]) == ("approved", "fine")


def test_approval_is_denied(as_alice: Agent, alice: User) -> None:
    make_task(make_agent(alice, name="careful", needs_approval=True))
    uuid = str(Approval.objects.get().uuid)
    assert as_alice.refused("answer_approval", approval=uuid, answer="perhaps")["errors"][0]["field"] == "answer"
    assert as_alice.ask("answer_approval", approval=uuid, answer="deny")["state"] == "denied"
    assert as_alice.refused("list_approvals", approval=uuid, state="denied")["errors"][0]["field"] == "approval"
    assert as_alice.refused("list_approvals", state="odd")["errors"][0]["field"] == "state"


def test_tasks_by_rest_are_not_said_to_come_by_mcp(alice: User, echo: TaskAgent) -> None:
    assert make_task(echo).source == Source.API
