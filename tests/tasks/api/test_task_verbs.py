from collections.abc import Callable

import pytest

from tasks import lifecycle
from tasks.models import Agent, Task
from tasks.states import Status
from tests.makers import kinds, make_running, make_task
from tests.tasks.api.client import Api

pytestmark = pytest.mark.django_db

VERBS = ("cancel", "retry", "backlog", "release", "archive", "restore")
# Which verb leads from which status to which one; everything else is refused. Cancelling twice changes nothing.
LEADS_TO = {
    ("ready", "cancel"): "cancelled",
    ("ready", "backlog"): "backlogged",
    ("backlogged", "cancel"): "cancelled",
    ("backlogged", "release"): "ready",
    ("running", "cancel"): "cancelled",
    ("complete", "archive"): "archived",
    ("failed", "retry"): "ready",
    ("failed", "archive"): "archived",
    ("cancelled", "cancel"): "cancelled",
    ("cancelled", "retry"): "ready",
    ("cancelled", "archive"): "archived",
    ("archived", "restore"): "complete",
}


def _ready(agent: Agent) -> Task:
    return make_task(agent)


def _backlogged(agent: Agent) -> Task:
    return make_task(agent, is_backlogged=True)


def _running(agent: Agent) -> Task:
    return make_running(agent)[0]


def _complete(agent: Agent) -> Task:
    return lifecycle.complete(claim=make_running(agent)[1], result="done")


def _failed(agent: Agent) -> Task:
    return lifecycle.fail(claim=make_running(agent)[1], code="command_failed")


def _cancelled(agent: Agent) -> Task:
    return lifecycle.cancel(actor=agent.owner, task=make_task(agent))


def _archived(agent: Agent) -> Task:
    return lifecycle.archive(actor=agent.owner, task=_complete(agent))


MAKERS: dict[str, Callable[[Agent], Task]] = {
    "ready": _ready,
    "backlogged": _backlogged,
    "running": _running,
    "complete": _complete,
    "failed": _failed,
    "cancelled": _cancelled,
    "archived": _archived,
}


def test_the_table_covers_every_status() -> None:
    assert set(MAKERS) == {status.word for status in Status}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("status", MAKERS)
def test_each_verb_moves_a_task_or_is_refused(as_alice: Api, agent: Agent, status: str, verb: str) -> None:
    task = MAKERS[status](agent)
    before = kinds(task)
    response = as_alice.post(f"tasks/{task.uuid}/{verb}")
    expected = LEADS_TO.get((status, verb))
    task.refresh_from_db()
    if expected is None:
        assert (response.status_code, response.json()["code"]) == (409, "illegal_transition")
        assert (task.state.word, kinds(task)) == (status, before)
    else:
        assert (response.status_code, response.json()["status"], task.state.word) == (200, expected, expected)


@pytest.mark.parametrize("status", MAKERS)
def test_allowed_names_exactly_what_would_work(as_alice: Api, agent: Agent, status: str) -> None:
    task = MAKERS[status](agent)
    allowed = set(as_alice.get(f"tasks/{task.uuid}").json()["allowed"])
    # Repeating a cancel answers 200 and yet is nothing that could be asked for.
    works = {verb for start, verb in LEADS_TO if start == status} - ({"cancel"} if status == "cancelled" else set())
    assert allowed - {"edit", "move"} == works


def test_a_reason_is_kept_in_the_history(as_alice: Api, agent: Agent) -> None:
    task = make_task(agent)
    as_alice.post(f"tasks/{task.uuid}/cancel", {"reason": "wrong prompt"})
    event = task.events.get(kind="task_cancelled")
    assert event.data == {"by": "alice", "reason": "wrong prompt"}


def test_cancelling_again_writes_no_second_event(as_alice: Api, agent: Agent) -> None:
    task = _cancelled(agent)
    assert as_alice.post(f"tasks/{task.uuid}/cancel").status_code == 200
    assert kinds(task).count("task_cancelled") == 1


@pytest.mark.parametrize("content_type", ["", "application/json", "application/x-www-form-urlencoded", "text/plain"])
def test_an_empty_body_needs_no_content_type(as_alice: Api, agent: Agent, content_type: str) -> None:
    response = as_alice.send("POST", f"tasks/{make_task(agent).uuid}/cancel", b"", content_type=content_type)
    assert response.status_code == 200


@pytest.mark.parametrize("content_type", ["", "application/json", "application/json; charset=utf-8"])
def test_an_empty_object_is_as_good_as_nothing(as_alice: Api, agent: Agent, content_type: str) -> None:
    response = as_alice.send("POST", f"tasks/{make_task(agent).uuid}/backlog", b"{}", content_type=content_type)
    assert response.status_code == 200


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_takes_no_other_member(as_alice: Api, agent: Agent, verb: str) -> None:
    task = make_task(agent)
    response = as_alice.post(f"tasks/{task.uuid}/{verb}", {"status": "complete"})
    assert (response.status_code, response.json()["errors"][0]["code"]) == (400, "unknown_field")
    assert kinds(task) == ["task_created"]


def test_text_is_not_taken_for_json(as_alice: Api, agent: Agent) -> None:
    task = make_task(agent)
    response = as_alice.send("POST", f"tasks/{task.uuid}/cancel", b"{}", content_type="text/plain")
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")
    assert kinds(task) == ["task_created"]


def test_an_operator_may_do_it_to_any_task(as_operator: Api, agent: Agent) -> None:
    task = make_task(agent)
    assert as_operator.post(f"tasks/{task.uuid}/cancel").status_code == 200
    assert task.events.get(kind="task_cancelled").data == {"by": "olga"}


def test_the_answer_tells_the_new_time_of_change(as_alice: Api, agent: Agent) -> None:
    task = make_task(agent)
    body = as_alice.post(f"tasks/{task.uuid}/backlog").json()
    task.refresh_from_db()
    assert body["updated_at"] == task.updatedat.isoformat().replace("+00:00", "Z")
    assert body["updated_at"] > body["created_at"]
