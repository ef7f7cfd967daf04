"""The first page."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from tasks import agents, lifecycle
from tasks.models import Agent, Task
from tests.accounts.clients import SecureClient
from tests.makers import make_agent, make_running, make_task
from tests.realtime.pages.reading import tasks_in, text_of

pytestmark = pytest.mark.django_db


def test_first_visit_leads_to_the_first_agent(page: SecureClient) -> None:
    assert "Two steps to your first answer" in text_of(page.get("/"))


def test_second_visit_leads_to_the_first_prompt(page: SecureClient, agent: Agent) -> None:
    assert "One step left" in text_of(page.get("/"))


def test_counts_what_runs_waits_and_ended(page: SecureClient, alice: User) -> None:
    agent = make_agent(alice, name="scribe")
    for end in ("complete", "fail"):
        _, claim = make_running(agent)
        if end == "complete":
            lifecycle.complete(claim=claim, result="")
        else:
            lifecycle.fail(claim=claim, code="timed_out")
    make_running(agent)
    make_task(agent)
    make_task(agent, is_backlogged=True)
    for address in ("/", "/overview/summary"):
        shown = text_of(page.get(address))
        assert "Waiting 1 1 in the backlog Running now 1 at work Finished today 1" in shown
        assert "Failed 1 to look at" in shown
        assert "1 of 10 running · 1 waiting" in shown


def test_archived_work_of_today_still_counts(page: SecureClient, alice: User, agent: Agent) -> None:
    _, claim = make_running(agent)
    lifecycle.archive(actor=alice, task=lifecycle.complete(claim=claim, result=""))
    assert "Finished today 1" in text_of(page.get("/"))


def test_work_of_yesterday_does_not_count(page: SecureClient, agent: Agent) -> None:
    task, claim = make_running(agent)
    lifecycle.complete(claim=claim, result="")
    Task.objects.filter(pk=task.pk).update(finished_at=timezone.now() - timedelta(days=1))
    assert "Finished today 0" in text_of(page.get("/"))


def test_newest_tasks_are_eight(page: SecureClient, agent: Agent) -> None:
    tasks = [make_task(agent) for _ in range(9)]
    assert tasks_in(page.get("/")) == [str(task.uuid) for task in reversed(tasks[1:])]


def test_others_work_does_not_count(strange_page: SecureClient, agent: Agent) -> None:
    make_running(agent)
    shown = text_of(strange_page.get("/"))
    assert "Running now 0" in shown
    assert "scribe" not in shown


def test_links_for_operators_are_theirs_alone(page: SecureClient, operators_page: SecureClient) -> None:
    assert 'href="/admin/"' not in page.get("/").content.decode()
    assert 'href="/admin/"' in operators_page.get("/").content.decode()


def test_paused_agents_are_marked(page: SecureClient, alice: User, agent: Agent) -> None:
    agents.pause(actor=alice, agent=agent)
    assert "0 of 10 running · paused" in text_of(page.get("/"))


@pytest.mark.parametrize("address", ["/?x=1", "/overview/summary?x=1"])
def test_unknown_parameters_are_refused(page: SecureClient, address: str) -> None:
    assert page.get(address).status_code == 400
