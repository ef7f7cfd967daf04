"""A socket that asks for somebody else's task leaves a row for its owner."""

import pytest

from accounts.models import User
from tasks.models import Agent
from tests.makers import make_task
from tests.realtime.sockets.conftest import Connect
from tests.tasks.trail.reading import only, told

pytestmark = pytest.mark.security


def test_stranger_who_subscribes_is_noted(connect: Connect, bob: User, agent: Agent) -> None:
    task = make_task(agent)
    client = connect(bob)
    for _ in range(2):
        assert client.ask("subscribe", to=str(task.uuid))["error_code"] == "not_yours"
    assert told(only("authz.denied")) == ("denied", "bob", bob.uuid, "alice", "task", task.uuid)
