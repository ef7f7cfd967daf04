"""The object-level permissions alone, and each of the two locks while the other one is open."""

from typing import Any
from unittest.mock import Mock
from uuid import UUID

import pytest
from django.contrib.auth.models import Permission
from rest_framework.views import APIView

from accounts.models import User
from tasks import access
from tasks.api.permissions import IsOwnerOrOperator
from tasks.models import Agent, Queue, Task
from tests.makers import make_agent, make_queue, make_task, make_user
from tests.tasks.api.client import Api

pytestmark = pytest.mark.django_db
READ, WRITE = "GET", "POST"


def agrees(user: User, method: str, found: Any) -> bool:
    return IsOwnerOrOperator().has_object_permission(Mock(user=user, method=method), APIView(), found)


def objects_of(user: User) -> list[Any]:
    agent = make_agent(user)
    return [agent, make_task(agent), make_queue(user)]


def test_owners_may_do_everything_with_their_own(alice: User) -> None:
    assert all(agrees(alice, method, found) for found in objects_of(alice) for method in (READ, WRITE))


def test_strangers_may_do_nothing(alice: User, bob: User) -> None:
    assert not any(agrees(bob, method, found) for found in objects_of(alice) for method in (READ, WRITE))


def test_operators_may_do_everything(alice: User, operator: User) -> None:
    assert all(agrees(operator, method, found) for found in objects_of(alice) for method in (READ, WRITE))


def test_shared_queues_are_read_by_all_and_written_by_operators(bob: User, operator: User) -> None:
    shared = make_queue(None)
    assert agrees(bob, READ, shared)
    assert not agrees(bob, WRITE, shared)
    assert agrees(operator, WRITE, shared)


def test_a_member_of_staff_needs_the_permission_for_the_deed(agent: Agent) -> None:
    clerk = make_user("clerk", is_staff=True)
    clerk.user_permissions.add(Permission.objects.get(codename="view_task"))
    task = make_task(agent)
    assert agrees(clerk, READ, task)
    assert not agrees(clerk, WRITE, task)
    assert not agrees(clerk, READ, agent)


def test_permissions_without_the_staff_flag_open_nothing(agent: Agent) -> None:
    clerk = make_user("clerk")
    clerk.user_permissions.add(Permission.objects.get(codename="view_task"))
    assert not agrees(clerk, READ, make_task(agent))


def test_a_stranger_without_user_has_no_permission() -> None:
    nobody = Mock(user=None, method=READ)
    assert not IsOwnerOrOperator().has_permission(nobody, APIView())
    assert not IsOwnerOrOperator().has_object_permission(nobody, APIView(), Mock())


@pytest.fixture
def open_fetchers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, model in {"task_for": Task, "agent_for": Agent, "queue_for": Queue}.items():

        def fetch(_user: User, uuid: UUID, _deed: str = "view", model: Any = model) -> Any:
            return model.objects.get(uuid=uuid)

        monkeypatch.setattr(access, name, fetch)


@pytest.fixture
def open_permissions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(IsOwnerOrOperator, "has_object_permission", lambda *_: True)


def refusals(api: Api, agent: Agent) -> set[tuple[int, str]]:
    task, queue = make_task(agent), make_queue(agent.owner)
    answers = [
        api.get(f"tasks/{task.uuid}"),
        api.get(f"tasks/{task.uuid}/events"),
        api.get(f"tasks/{task.uuid}/attempts"),
        *(api.post(f"agents/{agent.uuid}/{verb}") for verb in ("pause", "resume", "end-hold")),
        api.patch(f"tasks/{task.uuid}", {"title": "t"}),
        *(
            api.post(f"tasks/{task.uuid}/{verb}")
            for verb in ("cancel", "retry", "backlog", "release", "archive", "restore")
        ),
        *(api.send(method, f"tasks/{task.uuid}") for method in ("POST", "PUT", "DELETE", "OPTIONS")),
        *(api.send(method, f"tasks/{task.uuid}/cancel") for method in ("GET", "PUT", "PATCH", "DELETE")),
        *(api.send(method, f"agents/{agent.uuid}") for method in ("POST", "PUT", "OPTIONS")),
        *(api.send(method, f"queues/{queue.uuid}") for method in ("POST", "PUT", "OPTIONS")),
        api.get(f"agents/{agent.uuid}"),
        api.patch(f"agents/{agent.uuid}", {"name": "n"}),
        api.delete(f"agents/{agent.uuid}"),
        api.get(f"queues/{queue.uuid}"),
        api.patch(f"queues/{queue.uuid}", {"concurrency_limit": 1}),
        api.post(f"queues/{queue.uuid}/pause"),
        api.post(f"queues/{queue.uuid}/resume"),
        api.delete(f"queues/{queue.uuid}"),
    ]
    return {(answer.status_code, answer.json()["code"]) for answer in answers}


@pytest.mark.usefixtures("open_fetchers")
def test_permissions_hold_when_fetchers_do_not(as_bob: Api, agent: Agent) -> None:
    assert refusals(as_bob, agent) == {(403, "not_yours")}


@pytest.mark.usefixtures("open_permissions")
def test_fetchers_hold_when_permissions_do_not(as_bob: Api, agent: Agent) -> None:
    assert refusals(as_bob, agent) == {(403, "not_yours")}
