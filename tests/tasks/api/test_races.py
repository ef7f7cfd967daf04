"""Requests that meet: one winner, a named conflict for the others, never a 500."""

from collections import Counter
from functools import partial
from typing import Any

import pytest

from accounts.models import User
from tasks import queues
from tasks.api import references
from tasks.models import Agent, Queue, Task
from tasks.states import Status
from tests.concurrency.racing import race
from tests.makers import make_agent, make_queue, make_task
from tests.tasks.api.client import Api

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 20


def outcomes(results: list[Any]) -> Counter[tuple[int, str]]:
    return Counter(
        (result.status_code, result.json()["code"] if result.status_code >= 400 else "") for result in results
    )


@pytest.mark.parametrize(("path", "body"), [("agents", {"kind": "echo"}), ("queues", {})])
def test_a_name_is_given_once(alice: User, path: str, body: dict[str, str]) -> None:
    clients = [Api(alice) for _ in range(4)]
    for number in range(ROUNDS):
        named = {**body, "name": f"one-{number}"}
        results = race(*(partial(api.post, path, named) for api in clients))
        assert outcomes(results) == {(201, ""): 1, (409, "name_taken"): 3}


def test_several_cancels_cancel_once(alice: User, agent: Agent) -> None:
    clients = [Api(alice) for _ in range(4)]
    for _ in range(ROUNDS):
        task = make_task(agent)
        results = race(*(partial(api.post, f"tasks/{task.uuid}/cancel") for api in clients))
        # A request that came after the winner found a cancelled task and agrees; one that met it is refused.
        assert set(outcomes(results)) <= {(200, ""), (409, "illegal_transition")}
        assert (200, "") in outcomes(results)
        assert task.events.filter(kind="task_cancelled").count() == 1


def test_a_queue_is_deleted_or_used_and_never_both(alice: User, agent: Agent) -> None:
    use, delete = Api(alice), Api(alice)
    for _ in range(ROUNDS):
        queue = make_queue(alice)
        created, deleted = race(
            partial(use.post, "tasks", {"agent": "scribe", "prompt": "p", "queue": queue.name}),
            partial(delete.delete, f"queues/{queue.uuid}"),
        )
        assert (created.status_code, deleted.status_code) in {(201, 409), (400, 204), (409, 204)}
        assert Task.objects.filter(queue=queue.pk).exists() == (created.status_code == 201)
        assert Queue.objects.filter(pk=queue.pk).exists() == (deleted.status_code == 409)


def test_an_agent_moves_to_a_queue_or_the_queue_is_deleted(alice: User, agent: Agent) -> None:
    use, delete = Api(alice), Api(alice)
    for _ in range(ROUNDS):
        queue = make_queue(alice)
        changed, deleted = race(
            partial(use.patch, f"agents/{agent.uuid}", {"queue": queue.name}),
            partial(delete.delete, f"queues/{queue.uuid}"),
        )
        assert (changed.status_code, deleted.status_code) in {(200, 409), (400, 204), (409, 204)}
        agent.refresh_from_db()
        assert (agent.queue_id == queue.pk) == (changed.status_code == 200)


def test_an_agent_is_deleted_once(alice: User) -> None:
    clients = [Api(alice) for _ in range(3)]
    for _ in range(ROUNDS):
        agent = make_agent(alice)
        results = race(*(partial(api.delete, f"agents/{agent.uuid}") for api in clients))
        assert Counter(result.status_code for result in results) == {204: 1, 404: 2}


def test_an_edit_and_a_cancel_do_not_undo_each_other(alice: User, agent: Agent) -> None:
    edit, cancel = Api(alice), Api(alice)
    for _ in range(ROUNDS):
        task = make_task(agent)
        edited, cancelled = race(
            partial(edit.patch, f"tasks/{task.uuid}", {"title": "t"}),
            partial(cancel.post, f"tasks/{task.uuid}/cancel"),
        )
        assert (edited.status_code, cancelled.status_code) == (200, 200)
        task.refresh_from_db()
        assert (task.state, task.title) == (Status.CANCELLED, "t")


@pytest.fixture
def vanishing_queue(alice: User, monkeypatch: pytest.MonkeyPatch) -> str:
    """A queue that is deleted between being found and being used."""
    find = references.queue_to_use

    def find_and_lose(user: User, name: str) -> Queue:
        queue = find(user, name)
        # By another row of the same queue: this one keeps the number that the caller will write.
        queues.delete(actor=user, queue=Queue.objects.get(pk=queue.pk))
        return queue

    monkeypatch.setattr(references, "queue_to_use", find_and_lose)
    return make_queue(alice).name


@pytest.mark.parametrize("key", [None, "k"])
def test_what_vanishes_at_the_last_moment_is_a_conflict(
    alice: User, agent: Agent, vanishing_queue: str, key: str | None
) -> None:
    response = Api(alice).post("tasks", {"agent": "scribe", "prompt": "p", "queue": vanishing_queue}, key=key)
    assert (response.status_code, response.json()["code"]) == (409, "conflict")
    assert not Task.objects.exists()


def test_an_agent_for_a_queue_that_vanishes_is_a_conflict(alice: User, vanishing_queue: str) -> None:
    response = Api(alice).post("agents", {"name": "poet", "kind": "echo", "queue": vanishing_queue})
    assert (response.status_code, response.json()["code"]) == (409, "conflict")
    assert not Agent.objects.exists()


def test_an_agent_cannot_move_to_a_queue_that_vanishes(alice: User, agent: Agent, vanishing_queue: str) -> None:
    response = Api(alice).patch(f"agents/{agent.uuid}", {"queue": vanishing_queue})
    assert (response.status_code, response.json()["code"]) == (409, "conflict")
