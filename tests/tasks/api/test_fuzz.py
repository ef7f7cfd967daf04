"""Bodies and queries that nobody thought of: whatever comes, no answer is a 5xx and each error is a problem."""

import json
from typing import Any, Final
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.models import Agent
from tests.makers import make_queue, make_task
from tests.tasks.api.client import Api

pytestmark = [pytest.mark.django_db, pytest.mark.security]

FIELDS: Final = (
    "agent", "prompt", "title", "order", "input", "not_before_at", "queue", "backlogged", "reason", "name", "kind",
    "description", "concurrency_limit", "timeout_seconds", "max_attempts", "word_delay_ms", "command", "owner",
    "action", "filter", "dead", "search",
    "status", "tasks", "start_by_at", "concurrency_key", "concurrency_policy", "rate_limit",
)  # fmt: skip
PARAMETERS: Final = (
    "status", "agent", "queue", "source", "search", "owner", "cursor", "page_size", "after", "format", "attempt",
    "kind",
)  # fmt: skip
LIKELY: Final = ("scribe", "echo", "default", "command", "2030-01-01T00:00:00Z", "ready", "all", "", "\x00", "%", "１")

TEXT: Final = st.text(max_size=40) | st.sampled_from(LIKELY)
SCALARS: Final = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | TEXT
VALUES: Final = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=8
)
BODIES: Final = st.dictionaries(st.sampled_from(FIELDS) | TEXT, VALUES, max_size=6)
QUERIES: Final = st.lists(st.tuples(st.sampled_from(PARAMETERS) | TEXT, TEXT), max_size=3)

thoroughly = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(autouse=True)
def no_limits(settings: Any) -> None:
    for name in ("READ", "TASK_CREATE", "TASK_BATCH", "TASK_CHANGE", "AGENT_CHANGE", "QUEUE_CHANGE"):
        setattr(settings, f"PERSONALQ_RATE_{name}", "1000000/m")


def is_sound(response: Any) -> bool:
    if response.status_code < 400:
        return True
    return bool(response.status_code < 500 and response.json()["status"] == response.status_code)


def path_to(agent: Agent, place: str) -> str:
    return place.format(task=make_task(agent).uuid, agent=agent.uuid, queue=make_queue(agent.owner).uuid)


@pytest.mark.parametrize(
    ("method", "place"),
    [
        ("POST", "tasks"),
        ("POST", "tasks/batch"),
        ("PATCH", "tasks/{task}"),
        ("POST", "tasks/{task}/cancel"),
        ("POST", "bulk-actions"),
        ("POST", "dead-letters/discard"),
        ("POST", "agents"),
        ("PATCH", "agents/{agent}"),
        ("POST", "queues"),
        ("PATCH", "queues/{queue}"),
        ("POST", "queues/{queue}/pause"),
        ("POST", "agents/{agent}/end-hold"),
    ],
)
def test_no_body_breaks_a_route(as_alice: Api, agent: Agent, method: str, place: str) -> None:
    path = path_to(agent, place)

    @thoroughly
    @given(body=BODIES)
    def send(body: dict[str, Any]) -> None:
        response = as_alice.send(method, path, json.dumps(body))
        assert is_sound(response), (body, response.content)

    send()


@pytest.mark.parametrize(
    "place", ["tasks", "tasks/{task}/events", "bulk-actions", "dead-letters", "agents", "queues", "queues/{queue}", ""]
)
def test_no_query_breaks_a_route(as_operator: Api, agent: Agent, place: str) -> None:
    path = path_to(agent, place)

    @thoroughly
    @given(query=QUERIES)
    def ask(query: list[tuple[str, str]]) -> None:
        parameters = "&".join(f"{quote(name)}={quote(value)}" for name, value in query)
        response = as_operator.get(f"{path}?{parameters}")
        assert is_sound(response), (query, response.content)

    ask()


@thoroughly
@given(raw=st.binary(max_size=200))
def test_no_bytes_break_the_parser(as_alice: Api, agent: Agent, raw: bytes) -> None:
    response = as_alice.send("POST", "tasks", raw, content_type="application/json")
    assert is_sound(response), response.content
