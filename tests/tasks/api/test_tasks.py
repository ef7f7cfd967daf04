from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from accounts.models import User
from tasks import lifecycle
from tasks.models import Agent, Queue, Task
from tasks.spending.usage import Usage
from tests.makers import kinds, make_agent, make_queue, make_running, make_task
from tests.tasks.api.client import Api, codes

pytestmark = pytest.mark.django_db


def test_owner_creates_a_task_for_an_agent_by_name(as_alice: Api, agent: Agent) -> None:
    response = as_alice.post("tasks", {"agent": "scribe", "prompt": "write a haiku"})
    task = Task.objects.get()
    assert response.status_code == 201
    assert response.headers["Location"] == response.json()["url"] == f"https://testserver/api/v1/tasks/{task.uuid}"
    assert (task.agent, task.prompt, task.source, task.trusted) == (agent, "write a haiku", "api", True)


def test_owner_creates_a_task_with_everything(as_alice: Api, agent: Agent, alice: User) -> None:
    make_queue(alice, name="slow")
    body = {
        "agent": str(agent.uuid),
        "prompt": "p",
        "title": "t",
        "order": -5,
        "input": {"a": [1, None]},
        "not_before_at": "2030-01-02T05:04:05+02:00",
        "queue": "slow",
        "backlogged": True,
    }
    task = as_alice.post("tasks", body).json()
    assert task["status"] == "backlogged"
    assert task["not_before_at"] == "2030-01-02T03:04:05Z"
    assert {name: task[name] for name in ("title", "order", "input", "queue")} == {
        "title": "t", "order": -5, "input": {"a": [1, None]}, "queue": "slow",
    }  # fmt: skip


def test_a_new_task_is_described_in_full(as_alice: Api, agent: Agent) -> None:
    task = as_alice.post("tasks", {"agent": "scribe", "prompt": "p"}).json()
    created_at = datetime.fromisoformat(task.pop("created_at"))
    assert created_at.tzinfo == UTC
    assert task.pop("updated_at").endswith("Z")
    uuid = task.pop("uuid")
    assert task == {
        "title": "", "prompt": "p", "status": "ready", "order": 0, "agent": str(agent.uuid),
        "agent_name": "scribe", "queue": "default", "input": None, "source": "api", "trusted": True,
        "origin": "", "is_suspicious": False, "has_alarm": False, "conversation": None, "parked_at": None,
        "schedule": None, "handed_out_at": None,
        "untrusted_text": "", "suspicion": None, "approval": None,
        "attempts": 0, "attempts_counted": 0, "max_attempts": 3, "is_dead": False, "not_before_at": None,
        "start_by_at": None, "held_until_at": None, "concurrency_key": None, "concurrency_policy": None,
        "cancelled": None, "started_at": None, "finished_at": None, "pruned_at": None,
        "deadline_at": None, "result": None, "error_code": None, "error": None, "tokens_in": None,
        "tokens_out": None, "cost": None, "owner": "alice", "allowed": ["backlog", "cancel", "edit", "move"],
        "url": f"https://testserver/api/v1/tasks/{uuid}",
    }  # fmt: skip


def test_owner_reads_a_task(as_alice: Api, agent: Agent) -> None:
    task = make_task(agent, "x" * 600)
    body = as_alice.get(f"tasks/{task.uuid}").json()
    assert body["prompt"] == "x" * 600
    assert "prompt_truncated" not in body


def test_a_failed_task_tells_a_fixed_sentence_to_its_owner(as_alice: Api, agent: Agent) -> None:
    task = _failed(agent, detail="secret path /etc/x")
    response = as_alice.get(f"tasks/{task.uuid}")
    body = response.json()
    assert (body["error_code"], body["error"]) == (
        "command_failed",
        "The command ended with an exit code other than 0. See its output, then retry.",
    )
    assert "error_detail" not in body
    assert b"/etc/x" not in response.content


def test_an_operator_sees_the_detail_of_an_error(as_operator: Api, agent: Agent) -> None:
    task = _failed(agent, detail="exit code 3")
    assert as_operator.get(f"tasks/{task.uuid}").json()["error_detail"] == "exit code 3"


def test_a_list_cuts_prompts_and_leaves_long_fields_out(as_alice: Api, agent: Agent) -> None:
    make_task(agent, "x" * 500, input={"big": "input"})
    make_task(agent, "é" * 501)
    long, short = as_alice.get("tasks").json()["results"]
    assert (long["prompt"], long["prompt_truncated"]) == ("é" * 500, True)
    assert (short["prompt"], short["prompt_truncated"]) == ("x" * 500, False)
    assert {"input", "result", "error_detail", "id"}.isdisjoint(long)


def test_owner_edits_a_task(as_alice: Api, agent: Agent) -> None:
    task = make_task(agent)
    body = as_alice.patch(f"tasks/{task.uuid}", {"title": "new", "order": 7, "prompt": "other"}).json()
    assert (body["title"], body["order"], body["prompt"]) == ("new", 7, "other")
    assert kinds(task) == ["task_created", "task_edited"]
    assert body["updated_at"] > body["created_at"]


def test_nobody_edits_a_running_task(as_alice: Api, agent: Agent) -> None:
    task, _ = make_running(agent)
    response = as_alice.patch(f"tasks/{task.uuid}", {"title": "new"})
    assert (response.status_code, response.json()["code"]) == (409, "illegal_transition")


@pytest.mark.parametrize("name", ["status", "owner", "agent", "result", "uuid", "source", "trusted", "is_dead", "id"])
def test_nobody_sets_what_only_the_server_writes(as_alice: Api, agent: Agent, name: str) -> None:
    task = make_task(agent)
    response = as_alice.patch(f"tasks/{task.uuid}", {name: "complete"})
    assert (response.status_code, codes(response)) == (400, {name: "unknown_field"})
    assert kinds(task) == ["task_created"]


def test_a_change_of_nothing_is_refused(as_alice: Api, agent: Agent) -> None:
    response = as_alice.patch(f"tasks/{make_task(agent).uuid}", {})
    assert (response.status_code, codes(response)) == (400, {"": "empty"})


def test_an_agent_of_somebody_else_is_refused_by_id(as_bob: Api, agent: Agent) -> None:
    response = as_bob.post("tasks", {"agent": str(agent.uuid), "prompt": "p"})
    assert (response.status_code, response.json()["code"]) == (403, "not_yours")


def test_an_agent_of_somebody_else_is_unknown_by_name(as_bob: Api, agent: Agent) -> None:
    foreign = as_bob.post("tasks", {"agent": "scribe", "prompt": "p"})
    nobodys = as_bob.post("tasks", {"agent": "nobody", "prompt": "p"})
    assert (foreign.status_code, codes(foreign)) == (400, {"agent": "not_found"})
    assert foreign.json() | {"request_id": ""} == nobodys.json() | {"request_id": ""}


def test_even_operators_do_not_use_agents_of_others(as_operator: Api, agent: Agent) -> None:
    response = as_operator.post("tasks", {"agent": str(agent.uuid), "prompt": "p"})
    assert (response.status_code, response.json()["code"]) == (403, "not_yours")


def test_a_queue_of_somebody_else_is_refused(as_alice: Api, agent: Agent, bob: User) -> None:
    queue = make_queue(bob, name="bobs")
    by_id = as_alice.post("tasks", {"agent": "scribe", "prompt": "p", "queue": str(queue.uuid)})
    by_name = as_alice.post("tasks", {"agent": "scribe", "prompt": "p", "queue": "bobs"})
    nobodys = as_alice.post("tasks", {"agent": "scribe", "prompt": "p", "queue": "nobodys"})
    assert (by_id.status_code, by_id.json()["code"]) == (403, "not_yours")
    assert (by_name.status_code, codes(by_name)) == (400, {"queue": "not_found"})
    assert by_name.json() | {"request_id": ""} == nobodys.json() | {"request_id": ""}


def test_a_deleted_agent_is_not_found(as_alice: Api, agent: Agent) -> None:
    as_alice.delete(f"agents/{agent.uuid}")
    response = as_alice.post("tasks", {"agent": str(agent.uuid), "prompt": "p"})
    assert codes(response) == {"agent": "not_found"}


def test_own_queues_go_before_shared_ones_of_the_same_name(as_alice: Api, agent: Agent, alice: User) -> None:
    own = make_queue(alice, name="both")
    make_queue(None, name="both")
    as_alice.post("tasks", {"agent": "scribe", "prompt": "p", "queue": "both"})
    assert Task.objects.get().queue == own


def test_an_unknown_task_is_not_found(as_alice: Api) -> None:
    response = as_alice.get(f"tasks/{uuid4()}")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    "uuid", ["1", "%00", "..%2f", "{x}", "null", "00000000-0000-0000-0000-00000000000g", "x" * 500]
)
def test_what_is_no_id_is_not_found(as_alice: Api, uuid: str) -> None:
    assert as_alice.get(f"tasks/{uuid}").status_code == 404


def test_nobody_else_touches_a_task(as_bob: Api, agent: Agent) -> None:
    task = make_task(agent)
    attempts = [
        as_bob.get(f"tasks/{task.uuid}"),
        as_bob.get(f"tasks/{task.uuid}/events"),
        as_bob.patch(f"tasks/{task.uuid}", {"title": "mine"}),
        *(
            as_bob.post(f"tasks/{task.uuid}/{verb}")
            for verb in ("cancel", "retry", "backlog", "release", "archive", "restore")
        ),
    ]
    assert {(response.status_code, response.json()["code"]) for response in attempts} == {(403, "not_yours")}
    task.refresh_from_db()
    assert (task.state.word, kinds(task)) == ("ready", ["task_created"])


def test_a_task_that_sql_wrote_belongs_to_operators(as_operator: Api, as_alice: Api, default_queue: Queue) -> None:
    task = Task.objects.create(prompt="by sql", queue=default_queue)
    assert as_alice.get(f"tasks/{task.uuid}").status_code == 403
    body = as_operator.get(f"tasks/{task.uuid}").json()
    assert (body["owner"], body["agent"], body["agent_name"], body["trusted"]) == (None, None, None, False)


def test_usage_is_shown(as_alice: Api, agent: Agent) -> None:
    task, claim = make_running(agent)
    usage = Usage(tokens_in=1, tokens_out=2, cost=Decimal("0.5"))
    lifecycle.complete(claim=claim, result="done", usage=usage)
    body = as_alice.get(f"tasks/{task.uuid}").json()
    assert (body["result"], body["tokens_in"], body["tokens_out"], body["cost"]) == ("done", 1, 2, "0.500000")


def test_a_prompt_comes_back_as_it_was_sent(as_alice: Api, agent: Agent) -> None:
    prompt = "  <script>{{7*7}}</script> %(x)s {0.__class__} \u202e ; id\n\t"
    uuid = as_alice.post("tasks", {"agent": "scribe", "prompt": prompt}).json()["uuid"]
    assert as_alice.get(f"tasks/{uuid}").json()["prompt"] == prompt


def test_no_answer_holds_an_integer_id(as_alice: Api, agent: Agent) -> None:
    task = make_task(agent)
    agent_of_task = make_agent(agent.owner)
    bodies: list[dict[str, Any]] = [
        as_alice.get(f"tasks/{task.uuid}").json(),
        as_alice.get(f"agents/{agent_of_task.uuid}").json(),
        as_alice.get(f"queues/{agent.queue.uuid}").json(),
    ]
    assert all({"id", "pk", "owner_id", "agent_id"}.isdisjoint(body) for body in bodies)


def _failed(agent: Agent, detail: str) -> Task:
    _, claim = make_running(agent)
    return lifecycle.fail(claim=claim, code="command_failed", detail=detail)
