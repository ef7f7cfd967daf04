"""Older agents from the request to the target, and requests that meet each other."""

import asyncio
import json
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from accounts.models import Credential, User
from personalq.lib.errors import AppError
from tasks import older_tools
from tasks.models import Agent, OlderAgent, Queue, Task
from tasks.states import Status
from tests.concurrency.racing import failures, race
from tests.makers import claim_next
from tests.tasks.older_tools.client import OldClient
from tests.webhooks.making import work
from tests.wire.plain_target import PlainTarget

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = "Bearer planted-key-1234567"
RACES = 10


def run(client: OldClient, settings: Settings, target: PlainTarget, **members: Any) -> Task:
    """Create a one-time agent over the mount and let a worker carry its task out."""
    settings.PERSONALQ_INTERNAL_HOSTS = [target.server.target]
    answer = client.make("once", targetUrl=target.url, queue="lane", **members)
    assert answer.status_code == 200, answer.json()
    task = claim_next(Queue.objects.get(name="lane"))
    asyncio.run(work(task))
    return Task.objects.get(pk=task.pk)


@pytest.mark.security
def test_the_target_gets_what_the_older_service_sent(as_alice: OldClient, settings: Settings) -> None:
    headers = {"Authorization": SECRET, "X-Test": "1"}
    with PlainTarget(body={"ok": True}) as target:
        task = run(as_alice, settings, target, method="PUT", headers=headers, body={"prompt": "hello", "n": [1, None]})
        sent = target.request
    assert (sent.method, json.loads(sent.body)) == ("PUT", {"prompt": "hello", "n": [1, None]})
    assert (sent.headers["authorization"], sent.headers["x-test"], sent.headers["content-type"]) == (
        SECRET,
        "1",
        "application/json",
    )
    assert (task.state, json.loads(task.result or "")) == (Status.COMPLETE, {"ok": True})
    status = as_alice.get("/agents/once").json()
    assert (status["isActive"], "lastRun" in status, status["headers"]["Authorization"]) == (False, True, "***")


@pytest.mark.parametrize(("method", "body"), [("GET", b""), ("DELETE", b""), ("POST", b"{}")])
def test_without_a_body_nothing_is_said(as_alice: OldClient, settings: Settings, method: str, body: bytes) -> None:
    with PlainTarget() as target:
        run(as_alice, settings, target, method=method)
        assert (target.request.method, target.request.body) == (method, body)


@pytest.mark.parametrize("answer", [{"status": 500}, {"body": {"requeue": True, "delay": 1}}])
def test_a_failure_is_one_failure(as_alice: OldClient, settings: Settings, answer: Any) -> None:
    with PlainTarget(**answer) as target:
        task = run(as_alice, settings, target)
        assert len(target.server.requests) == 1
    assert (task.state, task.attempts) == (Status.FAILED, 1)
    assert as_alice.get("/queues/lane").json()["failed"] == 1


def wish(**members: Any) -> dict[str, Any]:
    return {"name": "once", "targetUrl": "https://target.example.org/run", "oneTime": True, **members}


def test_two_that_bring_one_name_make_one_agent(alice: User) -> None:
    wanted = wish(queue="lane", headers={"Authorization": SECRET})
    for _ in range(RACES):
        results = race(*[lambda: older_tools.create_agent(actor=alice, wanted=wanted)] * 2)
        assert failures(results) == []
        assert (Agent.objects.existing().count(), OlderAgent.objects.count(), Credential.objects.count()) == (1, 1, 1)
        assert Task.objects.filter(status=Status.READY).count() == 2
        older_tools.delete_agent(actor=alice, name="once")
        assert not Queue.objects.filter(name="lane").exists()


def test_creating_and_deleting_leave_all_or_nothing(alice: User) -> None:
    for _ in range(RACES):
        older_tools.create_agent(actor=alice, wanted=wish(schedule="* * * * *", oneTime=False))
        results = race(
            lambda: older_tools.create_agent(actor=alice, wanted=wish()),
            lambda: older_tools.delete_agent(actor=alice, name="once"),
        )
        assert [error for error in failures(results) if not isinstance(error, AppError)] == []
        agents = Agent.objects.existing().count()
        assert OlderAgent.objects.count() == agents
        assert Task.objects.filter(status=Status.READY).count() == agents
        if agents:
            older_tools.delete_agent(actor=alice, name="once")
