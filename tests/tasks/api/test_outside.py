"""The routes of workers outside."""

from typing import Any

import pytest

from accounts.models import User
from tasks import outside_work
from tasks.models import Agent, Task
from tasks.states import Status
from tests.makers import make_agent, make_task
from tests.tasks.api.client import Api

pytestmark = pytest.mark.django_db


@pytest.fixture
def external(alice: User) -> Agent:
    return make_agent(alice, kind="external", name="hands")


@pytest.fixture
def task(external: Agent, alice: User) -> Task:
    make_task(external, "dig")
    found = outside_work.take_next(actor=alice, worker="w")
    assert found is not None
    return found


def test_next_task_comes_with_its_attempt_and_lease(as_alice: Api, external: Agent) -> None:
    make_task(external, "dig")
    answer = as_alice.post("tasks/next", {"agent": "hands", "worker": "laptop", "lease_seconds": 60})
    assert answer.status_code == 200
    assert (answer.json()["prompt"], answer.json()["attempt"], answer.json()["status"]) == ("dig", 1, "running")
    assert answer.json()["lease_expires_at"] is not None


def test_nothing_to_do_is_204(as_alice: Api, external: Agent) -> None:
    assert as_alice.post("tasks/next").status_code == 204


def test_from_next_task_to_result(as_alice: Api, task: Task) -> None:
    path = f"tasks/{task.uuid}"
    progress = as_alice.post(f"{path}/progress", {"attempt": 1, "text": "digging "})
    assert (progress.status_code, progress.json()["attempt"]) == (200, 1)
    done = as_alice.post(f"{path}/complete", {"attempt": 1, "result": "a hole"})
    assert (done.status_code, done.json()["status"], done.json()["result"]) == (200, "complete", "a hole")
    assert done.json()["lease_expires_at"] is None


def test_late_report_is_409_claim_over(as_alice: Api, task: Task) -> None:
    answer = as_alice.post(f"tasks/{task.uuid}/complete", {"attempt": 2, "result": "late"})
    assert (answer.status_code, answer.json()["code"]) == (409, "claim_over")
    assert Task.objects.get(pk=task.pk).state == Status.RUNNING


def test_final_failure(as_alice: Api, task: Task) -> None:
    answer = as_alice.post(f"tasks/{task.uuid}/fail", {"attempt": 1, "reason": "rock", "final": True})
    assert (answer.status_code, answer.json()["status"], answer.json()["error_code"]) == (
        200,
        "failed",
        "reported_failed",
    )


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("next", {"agent": "nobody"}, "agent"),
    ("next", {"queue": "nowhere"}, "queue"),
    ("next", {"agent": "scribe"}, "agent"),
    ("next", {"lease_seconds": 0}, "lease_seconds"),
    ("next", {"lease_seconds": 86_401}, "lease_seconds"),
    ("next", {"worker": "two\nlines"}, "worker"),
    ("next", {"worker": "x" * 101}, "worker"),
    ("next", {"other": 1}, "other"),
    ("progress", {}, "attempt"),
    ("progress", {"attempt": "1"}, "attempt"),
    ("progress", {"attempt": 0}, "attempt"),
    ("complete", {"attempt": 1}, "result"),
    ("complete", {"attempt": 1, "result": None}, "result"),
    ("fail", {"attempt": 1}, "reason"),
    ("fail", {"attempt": 1, "reason": "x" * 2_001}, "reason"),
]


@pytest.mark.parametrize(("verb", "body", "field"), BAD)
def test_bad_input_is_400_and_names_the_field(
    verb: str, body: dict[str, Any], field: str, as_alice: Api, task: Task, agent: Agent
) -> None:
    path = "tasks/next" if verb == "next" else f"tasks/{task.uuid}/{verb}"
    answer = as_alice.post(path, body)
    assert answer.status_code == 400, answer.content
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert Task.objects.get(pk=task.pk).state == Status.RUNNING
