"""What programs do by MCP is in the audit trail like everything else."""

import pytest

from accounts.models import User
from tasks import lifecycle
from tasks.models import Agent as TaskAgent
from tests.makers import make_running, make_task
from tests.mcp.talking import Agent
from tests.tasks.trail.reading import only, told

pytestmark = pytest.mark.security


def test_cancel(as_alice: Agent, alice: User, echo: TaskAgent) -> None:
    task = make_task(echo)
    as_alice.ask("cancel_task", task=str(task.uuid))
    event = only("task.cancel")
    assert told(event) == ("done", "alice", alice.uuid, "alice", "task", task.uuid)
    assert (event.address, len(event.request_id)) == ("127.0.0.1", 32)


def test_cancel_that_comes_too_late(as_alice: Agent, echo: TaskAgent) -> None:
    task, claim = make_running(echo)
    lifecycle.complete(claim=claim, result="")
    assert as_alice.refused("cancel_task", task=str(task.uuid))["code"] == "illegal_transition"
    assert told(only("task.cancel"))[:2] == ("conflict", "alice")


def test_cancel_of_somebody_elses_task(as_bob: Agent, bob: User, echo: TaskAgent) -> None:
    task = make_task(echo)
    assert as_bob.refused("cancel_task", task=str(task.uuid))["code"] == "not_yours"
    event = only("authz.denied")
    assert told(event) == ("denied", "bob", bob.uuid, "alice", "task", task.uuid)
    assert event.facts == {"method": "POST", "path": f"/api/v1/tasks/{task.uuid}/cancel"}
