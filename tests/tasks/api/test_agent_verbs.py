"""Pausing, resuming and holds of agents, as clients see them."""

from datetime import timedelta
from typing import Any
from unittest.mock import Mock

import pytest
from django.utils import timezone

from accounts.models import User
from tasks import lifecycle
from tasks.models import Agent
from tests.makers import claim_or_none, make_agent, make_running, make_task
from tests.tasks.api.client import Api, codes

pytestmark = pytest.mark.django_db
VERBS = ("pause", "resume", "end-hold")


def test_paused_agent_starts_nothing_until_it_is_resumed(as_alice: Api, agent: Agent) -> None:
    running, _ = make_running(agent)
    waiting = make_task(agent)
    assert as_alice.post(f"agents/{agent.uuid}/pause").json()["is_paused"] is True
    assert claim_or_none(agent.queue) is None
    assert as_alice.get(f"tasks/{waiting.uuid}").json()["waiting"]["code"] == "agent_paused"
    assert as_alice.get(f"tasks/{running.uuid}").json()["status"] == "running"
    assert as_alice.post(f"agents/{agent.uuid}/resume").json()["is_paused"] is False
    assert claim_or_none(agent.queue) == waiting


def test_agent_that_met_a_limit_tells_so_everywhere_and_its_other_tasks_stay_ready(as_alice: Api, agent: Agent) -> None:
    task, claim = make_running(agent)
    other = make_task(agent)
    lifecycle.fail(claim=claim, code="usage_limited", retry_at=timezone.now() + timedelta(days=2))

    told = as_alice.get(f"agents/{agent.uuid}").json()
    agent.refresh_from_db()
    assert agent.held_until_at is not None
    day = agent.held_until_at.date().isoformat()
    assert told["held"].startswith(f"held until {day} ")
    assert told["held"].endswith(" UTC (usage limit)")
    assert told["held_reason"] == "usage_limited"

    for each in (task, other):
        body = as_alice.get(f"tasks/{each.uuid}").json()
        assert (body["status"], body["held_until_at"]) == ("ready", told["held_until_at"])
        assert body["waiting"] == {
            "code": "agent_held", "sentence": told["held"], "until": told["held_until_at"],
        }  # fmt: skip
    rows = as_alice.get("tasks").json()["results"]
    assert {row["held_until_at"] for row in rows} == {told["held_until_at"]}

    event = task.events.get(kind="task_held").data
    assert (event["reason"], event["until"]) == ("usage_limited", told["held_until_at"])
    assert event["error"].startswith("The provider's usage limit is reached.")
    assert claim_or_none(agent.queue) is None


def test_held_attempt_does_not_count(as_alice: Api, agent: Agent) -> None:
    task, claim = make_running(agent)
    lifecycle.fail(claim=claim, code="rate_limited")
    body = as_alice.get(f"tasks/{task.uuid}").json()
    assert (body["attempts"], body["attempts_counted"]) == (1, 0)


def test_ending_a_hold_lets_the_agent_go_on(as_alice: Api, agent: Agent) -> None:
    task, claim = make_running(agent)
    lifecycle.fail(claim=claim, code="rate_limited", retry_at=timezone.now() + timedelta(hours=1))
    body = as_alice.post(f"agents/{agent.uuid}/end-hold").json()
    assert (body["held_until_at"], body["held_reason"], body["held"]) == (None, None, None)
    assert claim_or_none(agent.queue) == task


def test_hold_that_is_over_is_not_told(as_alice: Api, agent: Agent) -> None:
    task = make_task(agent)
    Agent.objects.update(held_until_at=timezone.now() - timedelta(seconds=1), held_code="rate_limited")
    body = as_alice.get(f"agents/{agent.uuid}").json()
    assert (body["held_until_at"], body["held_reason"], body["held"]) == (None, None, None)
    assert as_alice.get(f"tasks/{task.uuid}").json()["held_until_at"] is None


def test_hold_is_told_of_ready_tasks_only(as_alice: Api, agent: Agent) -> None:
    make_task(agent, is_backlogged=True)
    make_running(agent)
    Agent.objects.update(held_until_at=timezone.now() + timedelta(hours=1), held_code="rate_limited")
    assert {row["held_until_at"] for row in as_alice.get("tasks").json()["results"]} == {None}


@pytest.mark.parametrize("verb", VERBS)
def test_repeating_changes_nothing(as_alice: Api, agent: Agent, verb: str) -> None:
    first = as_alice.post(f"agents/{agent.uuid}/{verb}", {})
    assert first.status_code == 200
    assert as_alice.post(f"agents/{agent.uuid}/{verb}").json() == first.json()


@pytest.mark.parametrize("verb", VERBS)
def test_verbs_take_no_members(as_alice: Api, agent: Agent, verb: str) -> None:
    response = as_alice.post(f"agents/{agent.uuid}/{verb}", {"until": "later"})
    assert codes(response) == {"until": "unknown_field"}


@pytest.mark.parametrize("verb", VERBS)
def test_strangers_are_refused_and_operators_are_not(as_bob: Api, as_operator: Api, agent: Agent, verb: str) -> None:
    refused = as_bob.post(f"agents/{agent.uuid}/{verb}")
    assert (refused.status_code, refused.json()["code"]) == (403, "not_yours")
    assert as_operator.post(f"agents/{agent.uuid}/{verb}").status_code == 200


@pytest.mark.parametrize("verb", ["resume", "end-hold"])
def test_going_on_nudges_the_workers_after_the_commit(
    as_alice: Api, alice: User, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any, verb: str
) -> None:
    until = timezone.now() + timedelta(hours=1)
    agent = make_agent(alice, is_paused=True, held_until_at=until, held_code="rate_limited")
    make_task(agent)
    nudge = Mock()
    monkeypatch.setattr("tasks.dispatch.nudge", nudge)
    with django_capture_on_commit_callbacks(execute=True):
        as_alice.post(f"agents/{agent.uuid}/{verb}")
        nudge.assert_not_called()
    nudge.assert_called_once_with(agent.queue_id)
