from typing import Any

import pytest

from tasks import lifecycle
from tasks.claims import Claim
from tasks.models import Agent
from tests.makers import claim_next, make_running, make_task
from tests.tasks.api.client import Api, codes

# Events are shown once their transaction has ended, which a test inside of one would never see.
pytestmark = pytest.mark.django_db(transaction=True)


def ids(response: Any) -> list[int]:
    return [event["id"] for event in response.json()["results"]]


def test_the_history_is_told_in_order(as_alice: Api, agent: Agent) -> None:
    task, claim = make_running(agent)
    lifecycle.record_output(claim=claim, text="half", offset=0)
    lifecycle.complete(claim=claim, result="half")
    body = as_alice.get(f"tasks/{task.uuid}/events").json()
    kinds = ["task_created", "task_started", "task_output", "task_completed"]
    assert [event["event"] for event in body["results"]] == kinds
    assert body["results"][2] == {
        "event": "task_output",
        "id": body["results"][2]["id"],
        "task": str(task.uuid),
        "attempt": 1,
        "at": body["results"][2]["at"],
        "data": {"text": "half", "offset": 0},
    }
    assert body["next"] is None


def test_events_of_other_tasks_stay_out(as_alice: Api, agent: Agent) -> None:
    task = make_task(agent)
    make_task(agent)
    assert len(ids(as_alice.get(f"tasks/{task.uuid}/events"))) == 1


def test_pages_follow_each_other_without_gap_or_repetition(as_alice: Api, agent: Agent) -> None:
    task, claim = make_running(agent)
    for number in range(5):
        lifecycle.record_output(claim=claim, text="x", offset=number)
    everything = ids(as_alice.get(f"tasks/{task.uuid}/events"))
    page = as_alice.get(f"tasks/{task.uuid}/events", page_size=3)
    collected = ids(page)
    while page.json()["next"]:
        page = as_alice.get(page.json()["next"])
        collected += ids(page)
    assert collected == everything
    assert len(everything) == 7


def test_a_full_last_page_has_no_next(as_alice: Api, agent: Agent) -> None:
    task = make_task(agent)
    assert as_alice.get(f"tasks/{task.uuid}/events", page_size=1).json()["next"] is None


def test_after_leaves_out_what_was_seen(as_alice: Api, agent: Agent) -> None:
    task, _ = make_running(agent)
    first, second = ids(as_alice.get(f"tasks/{task.uuid}/events"))
    assert ids(as_alice.get(f"tasks/{task.uuid}/events", after=first)) == [second]
    assert ids(as_alice.get(f"tasks/{task.uuid}/events", after=2**63 - 1)) == []


def test_one_attempt_and_one_kind_can_be_asked_for(as_alice: Api, agent: Agent) -> None:
    task, first = make_running(agent)
    lifecycle.record_output(claim=first, text="first", offset=0)
    lifecycle.give_back(claim=first, reason="worker_stopped")
    second = Claim.of(claim_next(agent.queue))
    for number in range(3):
        lifecycle.record_output(claim=second, text=str(number), offset=number)

    def texts(response: Any) -> list[str]:
        return [event["data"]["text"] for event in response.json()["results"]]

    path = f"tasks/{task.uuid}/events"
    assert texts(as_alice.get(path, attempt=1, kind="task_output")) == ["first"]
    assert len(ids(as_alice.get(path, attempt=2))) == 4
    assert len(ids(as_alice.get(path, kind="task_started"))) == 2
    page = as_alice.get(path, attempt=2, kind="task_output", page_size=2)
    assert texts(page) + texts(as_alice.get(page.json()["next"])) == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ("after=-1", "after", "min_value"),
        ("after=9223372036854775808", "after", "max_value"),
        ("after=99999999999999999999999", "after", "invalid"),
        ("after=1.0", "after", "invalid"),
        ("after=abc", "after", "invalid"),
        ("after=%00", "after", "invalid"),
        ("after=", "after", "invalid"),
        ("after=1&after=2", "after", "repeated"),
        ("page_size=0", "page_size", "min_value"),
        ("page_size=101", "page_size", "max_value"),
        ("cursor=abc", "cursor", "unknown_field"),
        ("attempt=-1", "attempt", "min_value"),
        ("attempt=2147483648", "attempt", "max_value"),
        ("attempt=one", "attempt", "invalid"),
        ("kind=task_exploded", "kind", "invalid_choice"),
        ("kind=task_output,task_started", "kind", "invalid_choice"),
        ("kind=task_output&kind=task_output", "kind", "repeated"),
    ],
)
def test_a_wrong_parameter_is_named(as_alice: Api, agent: Agent, query: str, field: str, code: str) -> None:
    response = as_alice.get(f"tasks/{make_task(agent).uuid}/events?{query}")
    assert (response.status_code, codes(response)) == (400, {field: code})
