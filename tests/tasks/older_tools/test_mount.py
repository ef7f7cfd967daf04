"""What holds for all paths below /cursor-agents."""

from typing import Any

import pytest
from django.test import override_settings

from accounts.models import User
from accounts.scopes import ALL
from accounts.tokens import personal_tokens
from tests.clients import fresh_client
from tests.tasks.older_tools.client import OldClient

pytestmark = pytest.mark.django_db
PATHS = (
    "/agents", "/agents/once", "/queues", "/queues/default", "/prompts/recurring", "/prompts/p", "/task-operator",
    "/task-operator/lock", "/task-operator/callback", "/admin/queues", "/nothing", "",
)  # fmt: skip


def test_health_is_for_everybody(db: None) -> None:
    answer = OldClient().get("/health")
    body = answer.json()
    assert (answer.status_code, body["status"], body["service"]) == (200, "ok", "cursor-agents")
    assert body["timestamp"].endswith("Z")
    assert set(body) == {"status", "service", "timestamp"}


@pytest.mark.security
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PUT"])
@pytest.mark.parametrize("path", PATHS)
def test_strangers_get_one_same_401_everywhere(path: str, method: str) -> None:
    answer = OldClient().send(method, path)
    body = answer.json()
    assert (answer.status_code, answer.headers["WWW-Authenticate"], "Allow" in answer.headers) == (401, "Bearer", False)
    assert answer.headers["Content-Type"].startswith("application/json")
    assert set(body) == {"error", "code", "request_id"}
    assert (body["code"], body["request_id"]) == ("not_authenticated", answer.headers["X-Request-ID"])
    assert "Bearer" in body["error"]


@pytest.mark.security
def test_a_wrong_token_and_a_session_open_nothing(alice: User) -> None:
    assert OldClient(token="pq_" + "x" * 43).get("/agents").json()["code"] == "invalid_token"
    client = fresh_client()
    client.force_login(alice)
    assert client.get("/cursor-agents/agents", secure=True).status_code == 401


@pytest.mark.security
@pytest.mark.parametrize(
    ("method", "path", "needed"),
    [
        ("GET", "/agents", "agents:read"), ("POST", "/agents", "agents:write schedules:write tasks:write"),
        ("GET", "/agents/x", "agents:read"), ("DELETE", "/agents/x", "agents:write schedules:write tasks:write"),
        ("GET", "/queues", "queues:read"), ("GET", "/queues/x", "queues:read"), ("DELETE", "/queues/x", "queues:write"),
        ("POST", "/prompts/recurring", "agents:write schedules:write"), ("GET", "/prompts/x", "schedules:read"),
        ("DELETE", "/prompts/x", "agents:write schedules:write tasks:write"),
        ("POST", "/task-operator", "operator:write"), ("DELETE", "/task-operator", "operator:write"),
        ("GET", "/task-operator/lock", "operator:read"), ("DELETE", "/task-operator/lock", "operator:write"),
    ],
)  # fmt: skip
def test_a_personal_token_needs_each_scope(alice: User, method: str, path: str, needed: str) -> None:
    wanted = needed.split()
    body: Any = {} if method == "POST" else None
    for missing in wanted:
        others = [scope for scope in ALL if scope != missing]
        refused = with_token(alice, f"without {missing}", others).send(method, path, body)
        assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
        assert missing in refused.json()["error"]
    assert with_token(alice, "fitting", wanted).send(method, path, body).json().get("code") != "scope_missing"


def with_token(user: User, name: str, scopes: list[str]) -> OldClient:
    return OldClient(token=personal_tokens.create(actor=user, name=name, scopes=scopes).text)


def test_answers_are_not_stored_and_name_their_request(as_alice: OldClient) -> None:
    answer = as_alice.get("/agents")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Request-ID"]
    assert "read" in answer.headers["RateLimit-Policy"]


@pytest.mark.parametrize("path", ["/agents", "/queues", "/queues/default", "/health"])
def test_a_slash_at_the_end_makes_no_difference(as_alice: OldClient, path: str) -> None:
    assert (as_alice.get(path).status_code, as_alice.get(f"{path}/").status_code) == (200, 200)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"), ("GET", "", 404, "not_found"),
        ("PUT", "/agents", 405, "method_not_allowed"), ("POST", "/queues", 405, "method_not_allowed"),
        ("GET", "/agents?page=2", 400, "validation_error"),
    ],
)  # fmt: skip
def test_other_errors_have_the_older_shape(as_alice: OldClient, method: str, path: str, status: int, code: str) -> None:
    answer = as_alice.send(method, path)
    assert (answer.status_code, answer.json()["code"], set(answer.json())) == (
        status,
        code,
        {"error", "code", "request_id"},
    )


@pytest.mark.parametrize(
    ("data", "kind", "status"),
    [
        (b"{bad", "application/json", 400), (b'{"name": "a", "name": "b"}', "application/json", 400),
        (b"[]", "application/json", 400), (b"name=a", "application/x-www-form-urlencoded", 415),
    ],
)  # fmt: skip
def test_bodies_that_are_no_json_objects_are_refused(as_alice: OldClient, data: bytes, kind: str, status: int) -> None:
    answer = as_alice.client.generic("POST", "/cursor-agents/agents", data, kind, secure=True, headers=as_alice.headers)
    assert (answer.status_code, set(answer.json())) == (status, {"error", "code", "request_id"})


def test_too_many_requests_are_refused_in_the_older_shape(as_alice: OldClient) -> None:
    with override_settings(PERSONALQ_RATE_AGENT_CHANGE="1/m"):
        as_alice.make("a")
        answer = as_alice.make("b")
    assert (answer.status_code, answer.json()["code"], int(answer.headers["Retry-After"]) > 0) == (
        429,
        "rate_limited",
        True,
    )


@pytest.mark.security
def test_plain_http_is_refused_and_not_redirected(as_alice: OldClient, settings: Any) -> None:
    settings.PERSONALQ_HTTPS = True
    answer = as_alice.client.get("/cursor-agents/agents", headers=as_alice.headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "https_required")


@pytest.mark.parametrize(
    ("method", "path", "word"),
    [
        ("POST", "/task-operator/callback", "callback"), ("GET", "/admin/queues", "/queues"),
        ("POST", "/admin/queues/refresh", "/queues"),
    ],
)  # fmt: skip
def test_what_is_not_offered_says_where_it_went(as_alice: OldClient, method: str, path: str, word: str) -> None:
    answer = as_alice.send(method, path, {} if method == "POST" else None)
    assert (answer.status_code, word in answer.json()["error"]) == (404, True)
