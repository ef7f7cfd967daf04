"""The checks of the audit report as it printed them: with curl, against the real web process."""

import json
import subprocess
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from accounts import tokens
from accounts.models import User
from tasks.models import Agent, Task
from tasks.states import Status
from tests.makers import make_agent, make_task, make_user
from tests.realtime.sockets.serving import WebProcess
from tests.tasks.api.client import Api

pytestmark = [pytest.mark.security, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def agent() -> Agent:
    return make_agent(make_user("user-a"))


@pytest.fixture
def task(agent: Agent) -> Task:
    return make_task(agent)


def cancel_command(port: int, task: UUID, user: User) -> list[str]:
    """As the report has it: curl -X POST …/tasks/{user A's task}/cancel -H "Authorization: Bearer {user B's token}"."""
    address = f"http://127.0.0.1:{port}/api/v1/tasks/{task}/cancel"
    bearer = f"Authorization: Bearer {tokens.issue_pair(user).access}"
    return ["curl", "--silent", "--write-out", "\n%{http_code}", "-X", "POST", address, "-H", bearer]


def answer_of(output: str) -> tuple[int, Any]:
    body, _, status = output.rpartition("\n")
    return int(status), json.loads(body)


def test_the_reports_own_command_is_refused(tmp_path: Path, task: Task) -> None:
    """B-T-1: 403 and nothing changes; its owner's own cancel then works."""
    with WebProcess(tmp_path) as web:
        before = task.events.count()
        command = cancel_command(web.port, task.uuid, make_user("user-b"))
        status, body = answer_of(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        assert (status, body["code"]) == (403, "not_yours")
        task.refresh_from_db()
        assert (task.status, task.events.count()) == (Status.READY, before)
        assert task.owner is not None
        own = subprocess.run(
            cancel_command(web.port, task.uuid, task.owner), capture_output=True, text=True, check=True
        )
        assert answer_of(own.stdout)[0] == 200


def test_of_the_reports_two_cancels_at_once_one_counts(tmp_path: Path, task: Task) -> None:
    """B-T-3: one of them has done it; the other is told so, or that it was done already."""
    assert task.owner is not None
    with WebProcess(tmp_path) as web:
        command = cancel_command(web.port, task.uuid, task.owner)
        both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        statuses = {answer_of(each.communicate(timeout=30)[0])[0] for each in both}
    assert 200 in statuses
    assert statuses <= {200, 409}
    assert task.events.filter(kind="task_cancelled").count() == 1


def test_an_address_that_is_changed_gives_no_access(agent: Agent, task: Task) -> None:
    """B-HIGH-005b: who has the owner's e-mail address is not the owner."""
    agent.owner.email = "a@example.org"
    agent.owner.save(update_fields=["email"])
    stranger = make_user("user-b", email="a@example.org")
    assert Api(stranger).post(f"tasks/{task.uuid}/cancel").status_code == 403
    assert Api(agent.owner).get(f"tasks/{task.uuid}").status_code == 200


def test_an_address_that_is_used_again_gives_no_access(agent: Agent, task: Task) -> None:
    """B-HIGH-005b: nor is who registers it after the account was renamed and lost it."""
    owner = agent.owner
    owner.username, owner.email = "renamed", ""
    owner.save(update_fields=["username", "email"])
    successor = make_user("user-a", email="a@example.org")
    assert Api(successor).get(f"tasks/{task.uuid}").status_code == 403
    assert Api(successor).get("tasks").json()["results"] == []
