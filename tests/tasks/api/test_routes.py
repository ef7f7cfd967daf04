"""What holds for all routes: slashes, methods, strangers, formats, limits and sessions."""

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from accounts.models import User
from tasks.models import Agent, Task
from tests.makers import make_queue, make_task
from tests.tasks.api.client import Api, codes

pytestmark = pytest.mark.django_db

ANYTHING = "00000000-0000-4000-8000-000000000000"
UNKNOWN = ["nothing", "tasks/1", "tasks/x/cancel", f"tasks/{ANYTHING}/explode", f"queues/{ANYTHING}/cancel", "tasks//"]
KNOWN = ["", "me", "tasks", "agents", "queues", "schema", "docs", f"tasks/{ANYTHING}", f"tasks/{ANYTHING}/cancel"]


@pytest.mark.parametrize("path", ["", "/tasks", "/agents", "/queues", "/me", "/schema"])
def test_a_slash_at_the_end_changes_nothing(as_alice: Api, agent: Agent, path: str) -> None:
    plain, slashed = as_alice.get(f"/api/v1{path}"), as_alice.get(f"/api/v1{path}/")
    assert plain.status_code == slashed.status_code == 200
    assert plain.content == slashed.content


def test_writing_works_with_a_slash_at_the_end(as_alice: Api, agent: Agent) -> None:
    uuid = as_alice.post("tasks/", {"agent": "scribe", "prompt": "p"}).json()["uuid"]
    assert as_alice.patch(f"tasks/{uuid}/", {"title": "t"}).status_code == 200
    assert as_alice.post(f"tasks/{uuid}/cancel/").json()["status"] == "cancelled"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("tasks", "GET, POST, HEAD"),
        ("tasks/{task}", "GET, PATCH, HEAD"),
        ("tasks/{task}/events", "GET, HEAD"),
        ("tasks/{task}/attempts", "GET, HEAD"),
        ("tasks/{task}/cancel", "POST"),
        ("agents", "GET, POST, HEAD"),
        ("agents/{agent}", "GET, PATCH, DELETE, HEAD"),
        ("agents/{agent}/pause", "POST"),
        ("stop-switch", "GET, POST, DELETE, HEAD"),
        ("queues", "GET, POST, HEAD"),
        ("queues/{queue}", "GET, PATCH, DELETE, HEAD"),
        ("queues/{queue}/pause", "POST"),
        ("", "GET, HEAD"),
        ("schema", "GET, HEAD"),
        ("docs", "GET, HEAD"),
    ],
)
def test_other_methods_are_refused_with_the_list_of_those_that_work(
    as_alice: Api, agent: Agent, path: str, allowed: str
) -> None:
    path = path.format(task=make_task(agent).uuid, agent=agent.uuid, queue=make_queue(agent.owner).uuid)
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - set(allowed.split(", ")):
        response = as_alice.send(method, path, {} if method in {"POST", "PUT", "PATCH"} else None)
        assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
        assert response.headers["Allow"] == allowed


def test_nobody_deletes_a_task(as_alice: Api, agent: Agent) -> None:
    assert as_alice.delete(f"tasks/{make_task(agent).uuid}").status_code == 405
    assert Task.objects.count() == 1


def test_a_method_cannot_be_smuggled_in(as_alice: Api, agent: Agent) -> None:
    response = as_alice.send("POST", f"agents/{agent.uuid}", {}, HTTP_X_HTTP_METHOD_OVERRIDE="DELETE")
    assert response.status_code == 405
    assert Agent.objects.existing().exists()


@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/html", "application/yaml", "image/png"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_strangers_get_the_same_answer_everywhere(anonymous: Api, method: str, accept: str) -> None:
    answers = {
        (response.status_code, without_request_id(response), str(sorted(comparable_headers(response).items())))
        for path in [*KNOWN, *UNKNOWN]
        for response in [anonymous.send(method, path, b"{}", content_type="application/json", HTTP_ACCEPT=accept)]
    }
    assert len(answers) == 1
    assert next(iter(answers))[0] == 401


def without_request_id(response: Any) -> str:
    body = response.json()
    assert body.pop("request_id")
    return str(body)


def comparable_headers(response: Any) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name != "X-Request-ID"}


@pytest.mark.parametrize("path", [*UNKNOWN, "/api", "/api/", "/api/v2", "/api/v2/tasks", "/api/v1x"])
def test_who_is_signed_in_learns_that_there_is_nothing(as_alice: Api, path: str) -> None:
    response = as_alice.get(path)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("accept", ["application/json", "*/*", "image/png", "application/xml;q=0.1", "nonsense"])
def test_whoever_asks_for_another_format_gets_json(as_alice: Api, accept: str) -> None:
    response = as_alice.send("GET", "tasks", HTTP_ACCEPT=accept)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"


def test_answers_are_not_kept_by_caches(as_alice: Api) -> None:
    assert as_alice.get("tasks").headers["Cache-Control"] == "no-store"


def test_head_tells_what_get_would(as_alice: Api) -> None:
    response = as_alice.send("HEAD", "tasks")
    assert (response.status_code, response.content) == (200, b"")


def test_creating_tasks_has_a_limit(as_alice: Api, as_bob: Api, agent: Agent, settings: Any) -> None:
    settings.PERSONALQ_RATE_TASK_CREATE = "2/h"
    body = {"agent": "scribe", "prompt": "p"}
    assert [as_alice.post("tasks", body).status_code for _ in range(3)] == [201, 201, 429]
    response = as_alice.post("tasks", body)
    assert response.json()["code"] == "rate_limited"
    assert 0 < int(response.headers["Retry-After"]) <= 3600
    assert as_bob.post("tasks", body).status_code == 400
    assert as_alice.get("tasks").status_code == 200
    assert Task.objects.count() == 2


@pytest.mark.parametrize(
    ("method", "path", "rate"),
    [
        ("POST", "tasks/{task}/cancel", "TASK_CHANGE"),
        ("POST", "tasks/{task}/retry", "TASK_CHANGE"),
        ("PATCH", "tasks/{task}", "TASK_CHANGE"),
        ("POST", "tasks/batch", "TASK_BATCH"),
        ("POST", "agents", "AGENT_CHANGE"),
        ("PATCH", "agents/{agent}", "AGENT_CHANGE"),
        ("DELETE", "agents/{agent}", "AGENT_CHANGE"),
        ("POST", "agents/{agent}/pause", "AGENT_CHANGE"),
        ("POST", "agents/{agent}/resume", "AGENT_CHANGE"),
        ("POST", "agents/{agent}/end-hold", "AGENT_CHANGE"),
        ("POST", "queues", "QUEUE_CHANGE"),
        ("PATCH", "queues/{queue}", "QUEUE_CHANGE"),
        ("DELETE", "queues/{queue}", "QUEUE_CHANGE"),
        ("POST", "queues/{queue}/pause", "QUEUE_CHANGE"),
        ("POST", "queues/{queue}/resume", "QUEUE_CHANGE"),
        ("GET", "", "READ"),
        ("GET", "schema", "READ"),
        ("GET", "docs", "READ"),
        ("GET", "bulk-actions", "READ"),
        ("POST", "bulk-actions", "TASK_CHANGE"),
        ("GET", "dead-letters", "READ"),
        ("POST", "dead-letters/retry", "TASK_CHANGE"),
        ("POST", "dead-letters/discard", "TASK_CHANGE"),
        ("GET", "tasks", "READ"),
        ("HEAD", "tasks", "READ"),
        ("GET", "tasks/{task}", "READ"),
        ("GET", "tasks/{task}/events", "READ"),
        ("GET", "tasks/{task}/attempts", "READ"),
        ("GET", "stop-switch", "READ"),
        ("POST", "stop-switch", "QUEUE_CHANGE"),
        ("DELETE", "stop-switch", "QUEUE_CHANGE"),
        ("GET", "agents", "READ"),
        ("GET", "agents/{agent}", "READ"),
        ("GET", "queues", "READ"),
        ("GET", "queues/{queue}", "READ"),
    ],
)
def test_every_route_has_a_limit(as_alice: Api, agent: Agent, settings: Any, method: str, path: str, rate: str) -> None:
    setattr(settings, f"PERSONALQ_RATE_{rate}", "1/h")
    path = path.format(task=make_task(agent).uuid, agent=agent.uuid, queue=agent.queue.uuid)
    assert as_alice.send(method, path, {} if method in {"POST", "PATCH"} else None).status_code != 429
    response = as_alice.send(method, path, {} if method in {"POST", "PATCH"} else None)
    assert response.status_code == 429
    assert int(response.headers["Retry-After"]) > 0


def session(user: User, **options: Any) -> Client:
    client = Client(raise_request_exception=False, **options)
    client.force_login(user)
    return client


def test_a_session_reads(alice: User, agent: Agent) -> None:
    assert session(alice).get("/api/v1/agents", secure=True).json()["results"][0]["name"] == "scribe"


def test_a_session_writes_only_with_the_csrf_token(alice: User, agent: Agent) -> None:
    client = session(alice, enforce_csrf_checks=True)
    address, body = "/api/v1/tasks", '{"agent": "scribe", "prompt": "p"}'
    refused = client.post(address, body, content_type="application/json", secure=True)
    assert (refused.status_code, refused.json()["code"]) == (403, "csrf_failed")
    assert not Task.objects.exists()


def test_a_token_needs_no_csrf_token(alice: User, agent: Agent) -> None:
    api = Api(alice)
    api.client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    assert api.post("tasks", {"agent": "scribe", "prompt": "p"}).status_code == 201


def test_the_root_tells_where_to_begin(as_alice: Api) -> None:
    body = as_alice.get("").json()
    nouns = {
        "me", "tasks", "agents", "queues", "credentials", "tokens", "model_prices", "approvals", "budgets", "usage",
        "conversations", "dead_letters", "bulk_actions", "stop_switch",
    }  # fmt: skip
    assert set(body) == {*nouns, "schema", "docs"}
    assert all(as_alice.get(address).status_code == 200 for address in body.values())


def test_ids_of_the_wrong_noun_are_not_found(as_alice: Api, agent: Agent) -> None:
    assert as_alice.get(f"tasks/{agent.uuid}").status_code == 404
    assert as_alice.get(f"agents/{make_task(agent).uuid}").status_code == 404
    assert as_alice.post(f"queues/{uuid4()}/pause").status_code == 404


def test_a_problem_names_its_request(as_alice: Api) -> None:
    response = as_alice.post("tasks", {})
    body = response.json()
    assert body["request_id"] == response.headers["X-Request-ID"]
    assert (body["type"], body["status"]) == ("urn:personalq:problem:validation_error", 400)
    assert codes(response) == {"agent": "required", "prompt": "required"}
