"""The page of a task that waits says why."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from tasks import agents, heartbeats, lifecycle, queues, stop_switch, waiting
from tasks.models import Agent, Task
from tasks.models.heartbeat import Role
from tests.accounts.clients import SecureClient
from tests.makers import make_agent, make_queue, make_running, make_task
from tests.realtime.pages.reading import attribute, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def worker(db: None) -> None:
    heartbeats.beat(name="worker:test", role=Role.WORKER, started_at=timezone.now(), data={})


def head_of(page: SecureClient, task: Task) -> str:
    """What stands beside the status, in the page and in the part that scripts fetch alike."""
    shown = [text_of(page.get(f"/tasks/{task.uuid}{path}")) for path in ("", "/panel")]
    heads = [text.partition("ready ")[2].partition(" Cancel")[0].partition(" Add a reason")[0] for text in shown]
    assert heads[0] == heads[1]
    return heads[0]


def test_task_that_nothing_holds_is_next_in_line(page: SecureClient, agent: Agent) -> None:
    task = make_task(agent)
    assert head_of(page, task) == "next in line"
    assert "It is in line and starts when a worker has room" in text_of(page.get(f"/tasks/{task.uuid}"))


def test_paused_agent_is_named(page: SecureClient, alice: User, agent: Agent) -> None:
    agents.pause(actor=alice, agent=agent)
    assert head_of(page, make_task(agent)) == "agent scribe is paused"


def test_paused_queue_is_named(page: SecureClient, alice: User, agent: Agent) -> None:
    queues.pause(actor=alice, queue=agent.queue)
    assert head_of(page, make_task(agent)) == "queue default is paused"


def test_full_agent_is_told_with_its_numbers(page: SecureClient, alice: User) -> None:
    agent = make_agent(alice, name="poet", concurrency_limit=1)
    make_running(agent)
    assert head_of(page, make_task(agent)) == "agent poet runs 1 of 1"


def test_full_queue_is_told_with_its_numbers(page: SecureClient, alice: User) -> None:
    agent = make_agent(alice, queue=make_queue(alice, name="lane", concurrency_limit=1))
    make_running(agent)
    assert head_of(page, make_task(agent)) == "queue lane runs 1 of 1"


def test_missing_worker_is_told(page: SecureClient, agent: Agent) -> None:
    heartbeats.forget("worker:test")
    assert head_of(page, make_task(agent)) == "no worker is running"


def test_hold_is_told_with_its_end_for_the_readers_clock(page: SecureClient, agent: Agent) -> None:
    task, claim = make_running(agent)
    until = timezone.now() + timedelta(days=2)
    lifecycle.fail(claim=claim, code="usage_limited", retry_at=until)
    shown = head_of(page, task)
    assert shown.startswith("held until ")
    assert shown.endswith("(usage limit)")
    answer = page.get(f"/tasks/{task.uuid}")
    assert 'Z" data-clock>' in answer.content.decode()
    assert "Its agent is held by a provider's limit. It goes on by itself." in text_of(answer)
    assert "Held back The provider's usage limit is reached." in text_of(answer)


def test_time_that_was_asked_for_is_told(page: SecureClient, agent: Agent) -> None:
    task = make_task(agent, not_before_at=timezone.now().replace(year=2035, month=1, day=2, hour=8, minute=0, second=0))
    assert head_of(page, task).startswith("not before 02 Jan 2035, 08:0")


def test_stop_switch_is_told_before_anything_else(
    page: SecureClient, alice: User, operator: User, agent: Agent
) -> None:
    agents.pause(actor=alice, agent=agent)
    stop_switch.turn_on(actor=operator)
    assert head_of(page, make_task(agent)) == "everything is stopped"


def test_row_by_sql_without_an_agent_is_told(operators_page: SecureClient) -> None:
    task = Task.objects.create(prompt="by hand")
    task.refresh_from_db()
    assert head_of(operators_page, task) == "getting in line"
    task = lifecycle.adopt(task_id=task.pk) or task
    assert head_of(operators_page, task) == "the task operator is off"


def test_every_reason_there_is_has_words(page: SecureClient, agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    task = make_task(agent)
    for code in waiting.CODES:
        why = waiting.Waiting(code=code, sentence=f"Because of {code}.", until=None)
        monkeypatch.setattr(waiting, "why", lambda _, why=why: why)
        assert head_of(page, task), code


def test_task_that_runs_says_nothing_about_waiting(page: SecureClient, agent: Agent) -> None:
    task, _ = make_running(agent)
    answer = page.get(f"/tasks/{task.uuid}")
    assert attribute(answer, "data-status") == "running"
    assert "next in line" not in text_of(answer)
    assert "Waiting for the first words…" in text_of(answer)
