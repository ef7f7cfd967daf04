from typing import Any
from unittest.mock import Mock
from uuid import uuid4

import pytest

from accounts.models import User
from tasks import lifecycle, schedules
from tasks.models import Agent, Queue
from tests.makers import make_agent, make_queue, make_task
from tests.tasks.api.client import Api, codes

pytestmark = pytest.mark.django_db


def test_owner_creates_a_queue(as_alice: Api, alice: User) -> None:
    response = as_alice.post("queues", {"name": "slow", "concurrency_limit": 1})
    queue = Queue.objects.get(name="slow")
    body = response.json()
    assert (response.status_code, queue.owner, queue.concurrency_limit) == (201, alice, 1)
    assert response.headers["Location"] == body["url"] == f"https://testserver/api/v1/queues/{queue.uuid}"
    assert body.pop("created_at").endswith("Z")
    assert body.pop("updated_at").endswith("Z")
    assert body == {
        "uuid": str(queue.uuid), "name": "slow", "is_shared": False, "is_paused": False, "concurrency_limit": 1,
        "rate_limit": None, "rate_period_seconds": 60, "owner": "alice", "url": body["url"],
    }  # fmt: skip


@pytest.mark.parametrize("name", ["default", "common", "slow"])
def test_a_name_in_use_is_refused(as_alice: Api, alice: User, default_queue: Queue, name: str) -> None:
    make_queue(None, name="common")
    make_queue(alice, name="slow")
    response = as_alice.post("queues", {"name": name})
    assert (response.status_code, response.json()["code"], codes(response)) == (
        409,
        "name_taken",
        {"name": "name_taken"},
    )


def test_two_owners_may_use_one_name(as_alice: Api, bob: User) -> None:
    make_queue(bob, name="slow")
    assert as_alice.post("queues", {"name": "slow"}).status_code == 201


def test_a_list_holds_own_and_shared_queues(as_alice: Api, default_queue: Queue, alice: User, bob: User) -> None:
    make_queue(bob, name="bobs")
    make_queue(alice, name="mine")
    results = as_alice.get("queues").json()["results"]
    assert [(each["name"], each["is_shared"], each["owner"]) for each in results] == [
        ("mine", False, "alice"),
        ("default", True, None),
    ]


def test_an_operator_lists_all(as_operator: Api, default_queue: Queue, alice: User) -> None:
    make_queue(alice, name="mine")
    assert [each["name"] for each in as_operator.get("queues", owner="all").json()["results"]] == ["mine", "default"]
    assert [each["name"] for each in as_operator.get("queues", owner="alice").json()["results"]] == ["mine"]


def test_owner_changes_the_limit(as_alice: Api, alice: User) -> None:
    queue = make_queue(alice)
    assert as_alice.patch(f"queues/{queue.uuid}", {"concurrency_limit": 3}).json()["concurrency_limit"] == 3


def test_owner_sets_and_lifts_a_rate(as_alice: Api, alice: User) -> None:
    path = f"queues/{make_queue(alice).uuid}"
    made = as_alice.patch(path, {"rate_limit": 10, "rate_period_seconds": 5}).json()
    lifted = as_alice.patch(path, {"rate_limit": None}).json()
    assert (made["rate_limit"], made["rate_period_seconds"], made["concurrency_limit"]) == (10, 5, 10)
    assert (lifted["rate_limit"], lifted["rate_period_seconds"]) == (None, 5)


def test_a_queue_is_created_with_a_rate(as_alice: Api) -> None:
    as_alice.post("queues", {"name": "slow", "rate_limit": 1, "rate_period_seconds": 86_400})
    queue = Queue.objects.get(name="slow")
    assert (queue.rate_limit, queue.rate_period_seconds) == (1, 86_400)


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, {"": "empty"}),
        ({"concurrency_limit": 0}, {"concurrency_limit": "min_value"}),
        ({"rate_limit": 0}, {"rate_limit": "min_value"}),
        ({"rate_period_seconds": None}, {"rate_period_seconds": "null"}),
        ({"concurrency_limit": 1, "name": "x"}, {"name": "unknown_field"}),
        ({"concurrency_limit": 1, "is_paused": True}, {"is_paused": "unknown_field"}),
        ({"concurrency_limit": 1, "owner": "bob"}, {"owner": "unknown_field"}),
    ],
)
def test_a_wrong_change_is_refused(as_alice: Api, alice: User, body: Any, wrong: dict[str, str]) -> None:
    assert codes(as_alice.patch(f"queues/{make_queue(alice).uuid}", body)) == wrong


def test_pausing_stops_claims_and_resuming_lets_them_on(as_alice: Api, alice: User) -> None:
    queue = make_queue(alice)
    make_task(make_agent(alice, queue=queue))
    assert as_alice.post(f"queues/{queue.uuid}/pause").json()["is_paused"] is True
    assert lifecycle.claim(queue_id=queue.pk, worker="w").tasks == []
    assert as_alice.post(f"queues/{queue.uuid}/resume").json()["is_paused"] is False
    assert lifecycle.claim(queue_id=queue.pk, worker="w").tasks != []


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_repeating_changes_nothing(as_alice: Api, alice: User, verb: str) -> None:
    queue = make_queue(alice)
    first = as_alice.post(f"queues/{queue.uuid}/{verb}", {})
    assert as_alice.post(f"queues/{queue.uuid}/{verb}").json() == first.json()


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_pause_and_resume_take_no_members(as_alice: Api, alice: User, verb: str) -> None:
    response = as_alice.post(f"queues/{make_queue(alice).uuid}/{verb}", {"until": "later"})
    assert codes(response) == {"until": "unknown_field"}


def test_resuming_nudges_the_workers_after_the_commit(
    as_alice: Api, alice: User, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    queue = make_queue(alice, is_paused=True)
    nudge = Mock()
    monkeypatch.setattr("tasks.dispatch.nudge", nudge)
    with django_capture_on_commit_callbacks(execute=True):
        as_alice.post(f"queues/{queue.uuid}/resume")
        nudge.assert_not_called()
    nudge.assert_called_once_with(queue.pk)


def test_owner_deletes_an_empty_queue(as_alice: Api, alice: User) -> None:
    queue = make_queue(alice)
    assert as_alice.delete(f"queues/{queue.uuid}").status_code == 204
    assert as_alice.get(f"queues/{queue.uuid}").status_code == 404


def test_a_queue_that_an_agent_uses_stays(as_alice: Api, alice: User) -> None:
    queue = make_queue(alice)
    make_agent(alice, queue=queue)
    response = as_alice.delete(f"queues/{queue.uuid}")
    assert (response.status_code, response.json()["code"]) == (409, "queue_in_use")
    assert "Agents that use it: 1." in response.json()["detail"]


def test_a_queue_with_unfinished_tasks_stays(as_alice: Api, agent: Agent, alice: User) -> None:
    queue = make_queue(alice)
    make_task(agent, queue=queue, is_backlogged=True)
    response = as_alice.delete(f"queues/{queue.uuid}")
    assert (response.status_code, response.json()["code"]) == (409, "queue_in_use")
    assert "not finished: 1." in response.json()["detail"]


def test_finished_tasks_and_deleted_agents_move_to_the_default_queue(as_alice: Api, alice: User) -> None:
    queue = make_queue(alice)
    agent = make_agent(alice, queue=queue)
    task = lifecycle.cancel(actor=alice, task=make_task(agent))
    as_alice.delete(f"agents/{agent.uuid}")
    assert as_alice.delete(f"queues/{queue.uuid}").status_code == 204
    assert as_alice.get(f"tasks/{task.uuid}").json()["queue"] == "default"


def test_even_an_operator_cannot_delete_the_default_queue(as_operator: Api, default_queue: Queue) -> None:
    response = as_operator.delete(f"queues/{default_queue.uuid}")
    assert (response.status_code, response.json()["code"]) == (409, "queue_in_use")


def test_shared_queues_are_seen_by_all_and_changed_by_operators(as_alice: Api, as_operator: Api) -> None:
    shared = make_queue(None)
    path = f"queues/{shared.uuid}"
    assert as_alice.get(path).status_code == 200
    refused = [
        as_alice.patch(path, {"concurrency_limit": 1}),
        as_alice.post(f"{path}/pause"),
        as_alice.post(f"{path}/resume"),
        as_alice.delete(path),
    ]
    assert {(answer.status_code, answer.json()["code"]) for answer in refused} == {(403, "not_yours")}
    assert as_operator.post(f"{path}/pause").status_code == 200
    assert as_operator.delete(path).status_code == 204


def test_strangers_are_refused(as_bob: Api, alice: User) -> None:
    path = f"queues/{make_queue(alice).uuid}"
    answers = [
        as_bob.get(path),
        as_bob.patch(path, {"concurrency_limit": 1}),
        as_bob.post(f"{path}/pause"),
        as_bob.post(f"{path}/resume"),
        as_bob.delete(path),
    ]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(403, "not_yours")}


def test_an_unknown_queue_is_not_found(as_alice: Api) -> None:
    assert as_alice.get(f"queues/{uuid4()}").status_code == 404


def test_the_info_of_a_queue_holds_its_counts(as_alice: Api, alice: User) -> None:
    queue = make_queue(alice, name="slow")
    make_task(make_agent(alice, name="scribe", queue=queue))
    response = as_alice.get(f"queues/{queue.uuid}/info")
    assert (response.status_code, response.json()) == (
        200,
        {
            "uuid": str(queue.uuid), "name": "slow", "waiting": 1, "active": 0, "completed": 0, "failed": 0,
            "delayed": 0, "agents": ["scribe"], "is_capped": False, "is_whole": True,
        },
    )  # fmt: skip


@pytest.mark.security
def test_of_a_shared_queue_nobody_sees_what_others_have_there(
    as_alice: Api, as_bob: Api, as_operator: Api, alice: User, default_queue: Queue
) -> None:
    make_task(make_agent(alice, name="scribe"))
    shown = [client.get(f"queues/{default_queue.uuid}/info").json() for client in (as_alice, as_bob, as_operator)]
    assert [(each["waiting"], each["agents"], each["is_whole"]) for each in shown] == [
        (1, ["scribe"], False),
        (0, [], False),
        (1, ["scribe"], True),
    ]


def test_a_queue_that_a_schedule_uses_stays(as_alice: Api, alice: User) -> None:
    queue = make_queue(alice)
    fields: Any = {"timing": "cron", "cron": "* * * * *", "prompt": "p", "queue": queue}
    schedule = schedules.create(actor=alice, name="mine", agent=make_agent(alice), **fields)
    refused = as_alice.delete(f"queues/{queue.uuid}")
    assert (refused.status_code, refused.json()["code"]) == (409, "queue_in_use")
    assert refused.json()["detail"].startswith("Schedules that use it: 1. ")
    schedules.delete(actor=alice, schedule=schedule)
    assert as_alice.delete(f"queues/{queue.uuid}").status_code == 204
