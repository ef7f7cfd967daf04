"""What a task may be told about its start and its rivals, moving it, and what is known of its attempts and cancel."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from tasks import lifecycle
from tasks.models import Agent, Task
from tests.makers import claim_next, claim_or_none, kinds, make_agent, make_queue, make_running, make_task
from tests.tasks.api.client import Api, codes

pytestmark = pytest.mark.django_db
TASK = {"agent": "scribe", "prompt": "p"}


def text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


# --- start_by_at -------------------------------------------------------------------------------------


def test_task_that_has_not_begun_in_time_fails(as_alice: Api, agent: Agent) -> None:
    start_by_at = timezone.now() + timedelta(hours=1)
    body = as_alice.post("tasks", {**TASK, "start_by_at": text(start_by_at)}).json()
    assert body["start_by_at"] == text(start_by_at)
    Task.objects.update(start_by_at=timezone.now() - timedelta(seconds=1))
    assert lifecycle.expire(task_id=Task.objects.get().pk)
    late = as_alice.get(f"tasks/{body['uuid']}").json()
    assert (late["status"], late["error_code"], late["start_by_at"]) == ("failed", "waited_too_long", None)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"start_by_at": "2020-01-01T00:00:00Z"}, "past"),
        ({"start_by_at": "2030-01-01T00:00:00Z", "not_before_at": "2030-01-01T00:00:01Z"}, "before_due"),
        ({"start_by_at": "2030-01-01T00:00:00Z", "backlogged": True}, "backlogged"),
    ],
)
def test_time_to_start_by_that_cannot_be_kept_is_refused(
    as_alice: Api, agent: Agent, fields: dict[str, Any], code: str
) -> None:
    response = as_alice.post("tasks", {**TASK, **fields})
    assert (response.status_code, codes(response)) == (400, {"start_by_at": code})
    assert not Task.objects.exists()


def test_batch_names_the_task_whose_time_is_wrong(as_alice: Api, agent: Agent) -> None:
    response = as_alice.post("tasks/batch", {"tasks": [TASK, {**TASK, "start_by_at": "2020-01-01T00:00:00Z"}]})
    assert codes(response) == {"tasks[1].start_by_at": "past"}


# --- concurrency keys --------------------------------------------------------------------------------


def test_tasks_with_one_key_run_one_after_the_other(as_alice: Api, agent: Agent) -> None:
    first, second = (as_alice.post("tasks", {**TASK, "concurrency_key": "deploy"}).json() for _ in range(2))
    assert (first["concurrency_key"], first["concurrency_policy"]) == ("deploy", "singleton")
    assert str(claim_next(agent.queue).uuid) == first["uuid"]
    assert claim_or_none(agent.queue) is None
    assert second["status"] == "ready"


def test_newer_task_gives_way_and_the_answer_names_the_older_one(as_alice: Api, agent: Agent) -> None:
    body = {**TASK, "concurrency_key": "deploy", "concurrency_policy": "drop_newer"}
    older = as_alice.post("tasks", body).json()
    response = as_alice.post("tasks", body)
    assert (response.status_code, response.json()["code"]) == (409, "concurrency_key_taken")
    assert older["uuid"] in response.json()["detail"]
    assert Task.objects.count() == 1


def test_newer_task_cancels_the_older_one(as_alice: Api, agent: Agent) -> None:
    body = {**TASK, "concurrency_key": "deploy", "concurrency_policy": "cancel_older"}
    older = as_alice.post("tasks", body).json()
    assert as_alice.post("tasks", body).status_code == 201
    cancelled = as_alice.get(f"tasks/{older['uuid']}").json()["cancelled"]
    assert (cancelled["by"], cancelled["reason"]) == (
        "alice",
        "A newer task with the same concurrency key came in.",
    )


def test_retry_gives_way_too(as_alice: Api, agent: Agent) -> None:
    body = {**TASK, "concurrency_key": "deploy", "concurrency_policy": "drop_newer"}
    older = as_alice.post("tasks", body).json()
    as_alice.post(f"tasks/{older['uuid']}/cancel")
    as_alice.post("tasks", body)
    response = as_alice.post(f"tasks/{older['uuid']}/retry")
    assert (response.status_code, response.json()["code"]) == (409, "concurrency_key_taken")


def test_key_of_somebody_else_is_another_key(as_alice: Api, as_bob: Api, agent: Agent, bob: User) -> None:
    make_agent(bob, name="scribe")
    body = {**TASK, "concurrency_key": "deploy", "concurrency_policy": "drop_newer"}
    assert [api.post("tasks", body).status_code for api in (as_alice, as_bob)] == [201, 201]


def test_policy_needs_a_key(as_alice: Api, agent: Agent) -> None:
    response = as_alice.post("tasks", {**TASK, "concurrency_policy": "singleton"})
    assert (response.status_code, codes(response)) == (400, {"concurrency_policy": "without_key"})


# --- moving ------------------------------------------------------------------------------------------


def test_owner_moves_a_task_with_its_other_changes(as_alice: Api, agent: Agent, alice: User) -> None:
    slow = make_queue(alice, name="slow")
    task = make_task(agent)
    body = as_alice.patch(f"tasks/{task.uuid}", {"queue": "slow", "title": "moved"}).json()
    assert (body["queue"], body["title"]) == ("slow", "moved")
    assert kinds(task) == ["task_created", "task_edited", "task_moved"]
    assert claim_or_none(agent.queue) is None
    assert claim_or_none(slow) == task


def test_moving_to_the_same_queue_changes_nothing(as_alice: Api, agent: Agent) -> None:
    task = make_task(agent)
    assert as_alice.patch(f"tasks/{task.uuid}", {"queue": "default"}).status_code == 200
    assert kinds(task) == ["task_created"]


@pytest.mark.django_db(transaction=True)
def test_all_changes_of_one_request_happen_or_none(
    as_alice: Api, agent: Agent, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_queue(alice, name="slow")
    task = make_task(agent)

    def run_meanwhile(**_: Any) -> None:
        claim_next(agent.queue)
        lifecycle_move(actor=alice, task=task, queue=agent.queue)

    lifecycle_move = lifecycle.move
    monkeypatch.setattr(lifecycle, "move", run_meanwhile)
    response = as_alice.patch(f"tasks/{task.uuid}", {"queue": "slow", "title": "half"})
    assert (response.status_code, response.json()["code"]) == (409, "illegal_transition")
    task.refresh_from_db()
    assert (task.title, kinds(task)) == ("", ["task_created"])


@pytest.mark.parametrize("queue", ["bobs", "nowhere"])
def test_queue_of_nobody_and_of_somebody_else_is_unknown(as_alice: Api, agent: Agent, bob: User, queue: str) -> None:
    make_queue(bob, name="bobs")
    task = make_task(agent)
    assert codes(as_alice.patch(f"tasks/{task.uuid}", {"queue": queue})) == {"queue": "not_found"}


def test_operator_moves_a_task_among_its_owners_queues(as_operator: Api, agent: Agent, alice: User) -> None:
    make_queue(alice, name="slow")
    make_queue(User.objects.get(username="olga"), name="olgas")
    path = f"tasks/{make_task(agent).uuid}"
    assert as_operator.patch(path, {"queue": "slow"}).json()["queue"] == "slow"
    assert codes(as_operator.patch(path, {"queue": "olgas"})) == {"queue": "not_found"}


def test_running_task_is_not_moved(as_alice: Api, agent: Agent, alice: User) -> None:
    make_queue(alice, name="slow")
    task, _ = make_running(agent)
    response = as_alice.patch(f"tasks/{task.uuid}", {"queue": "slow"})
    assert (response.status_code, response.json()["code"]) == (409, "illegal_transition")


# --- what is known of attempts and cancels -----------------------------------------------------------


def test_task_whose_attempts_are_used_up_is_dead(as_alice: Api, alice: User) -> None:
    agent = make_agent(alice, max_attempts=1)
    task, claim = make_running(agent)
    lifecycle.fail(claim=claim, code="went_silent")
    body = as_alice.get(f"tasks/{task.uuid}").json()
    assert (body["is_dead"], body["attempts_counted"]) == (True, 1)
    assert as_alice.post(f"tasks/{task.uuid}/retry").json()["is_dead"] is False


def test_task_that_failed_for_good_at_once_is_not_dead(as_alice: Api, agent: Agent) -> None:
    task, claim = make_running(agent)
    lifecycle.fail(claim=claim, code="command_failed")
    assert as_alice.get(f"tasks/{task.uuid}").json()["is_dead"] is False


def test_cancelled_task_tells_by_whom_and_why(as_alice: Api, agent: Agent) -> None:
    task = make_task(agent)
    body = as_alice.post(f"tasks/{task.uuid}/cancel", {"reason": "wrong prompt"}).json()
    assert (body["cancelled"]["by"], body["cancelled"]["reason"]) == ("alice", "wrong prompt")
    assert body["cancelled"]["at"].endswith("Z")
    assert as_alice.post(f"tasks/{task.uuid}/retry").json()["cancelled"] is None


def test_attempts_are_listed_with_where_their_output_is(as_alice: Api, agent: Agent) -> None:
    task, claim = make_running(agent)
    lifecycle.record_output(claim=claim, text="half", offset=0)
    lifecycle.fail(claim=claim, code="command_failed")
    body = as_alice.get(f"tasks/{task.uuid}/attempts").json()
    (attempt,) = body["results"]
    assert body["total"] == 1
    assert attempt.pop("started_at") <= attempt.pop("ended_at")
    assert attempt == {
        "attempt": 1, "outcome": "failed", "error_code": "command_failed",
        "error": "The command ended with an exit code other than 0. See its output, then retry.",
        "worker": "test", "output_length": 4, "tokens_in": None, "tokens_out": None, "cost": None,
        "output_url": f"https://testserver/api/v1/tasks/{task.uuid}/events?attempt=1&kind=task_output",
    }  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_address_of_an_output_leads_to_it(as_alice: Api, agent: Agent) -> None:
    task, claim = make_running(agent)
    lifecycle.record_output(claim=claim, text="half", offset=0)
    (attempt,) = as_alice.get(f"tasks/{task.uuid}/attempts").json()["results"]
    (event,) = as_alice.get(attempt["output_url"]).json()["results"]
    assert event["data"]["text"] == "half"


def test_only_the_answer_to_reading_tells_why_a_task_waits(as_alice: Api, agent: Agent) -> None:
    made = as_alice.post("tasks", TASK).json()
    assert "waiting" not in made
    read = as_alice.get(made["url"]).json()
    assert read["waiting"]["code"] == "no_worker"
    assert read["waiting"]["until"] is None
    as_alice.post(f"tasks/{made['uuid']}/backlog")
    assert as_alice.get(made["url"]).json()["waiting"] is None
