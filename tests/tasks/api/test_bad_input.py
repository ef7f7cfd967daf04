"""Every field of every body against everything that it must not take: 400, the field named, nothing written."""

import json
import time
from typing import Any, Final

import pytest

from tasks.models import Agent, Queue, Task
from tests.makers import make_agent, make_queue, make_task
from tests.tasks.api.client import Api, codes

pytestmark = pytest.mark.django_db

LONE_SURROGATE: Final = '"\\ud800"'
NUL: Final = '"a\\u0000b"'

NOT_TEXT: Final[list[Any]] = [None, True, 0, 1.5, [], ["a"], {}, {"a": 1}]
NOT_A_WHOLE_NUMBER: Final[list[Any]] = [None, True, False, "1", "", 1.0, 1.5, [], [1], {}, "１", 2**63]
NOT_A_BOOLEAN: Final[list[Any]] = [None, 0, 1, "true", "", [], {}]
NOT_A_TIME: Final[list[Any]] = [
    True, 0, 1.5, [], {}, "", "tomorrow", "2030-01-01", "2030-01-01T00:00:00", "2030-13-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00", "2030-01-01T00:00:00+99:99", "２030-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00",
]  # fmt: skip
NOT_A_NAME: Final[list[Any]] = [*NOT_TEXT, "", " ", "a" * 101]

TASK: Final = {"agent": "scribe", "prompt": "p"}
WRONG_TASK_FIELDS: Final[dict[str, list[Any]]] = {
    "agent": NOT_A_NAME,
    "prompt": [*NOT_TEXT, "", " \n\t", "a" * 200_001],
    "title": [*NOT_TEXT, "a" * 201, "two\nlines", "\x1b[31mred", "a\u2028b"],
    "order": [*NOT_A_WHOLE_NUMBER, 2**31, -(2**31) - 1],
    "input": ["a" * 70_000, json.loads("[" * 17 + "]" * 17)],
    "not_before_at": NOT_A_TIME,
    "queue": NOT_A_NAME,
    "backlogged": NOT_A_BOOLEAN,
    "start_by_at": [*NOT_A_TIME, "2020-01-01T00:00:00Z"],
    "concurrency_key": [*NOT_TEXT, "", " ", " a", "a ", "a\nb", "a" * 201],
    "concurrency_policy": [*NOT_TEXT, "", "Singleton", "queue"],
    "id": [1],
    "uuid": ["00000000-0000-4000-8000-000000000000"],
    "status": ["complete", 1],
    "owner": ["bob"],
    "source": ["web"],
    "result": ["r"],
    "max_attempts": [1],
    "idempotency_key": ["k"],
    "__class__": [1],
}
LIMITS: Final = {
    "concurrency_limit": [*NOT_A_WHOLE_NUMBER, 0, -1, 10_001],
    "timeout_seconds": [*NOT_A_WHOLE_NUMBER, 0, 86_401],
    "output_limit_bytes": [*NOT_A_WHOLE_NUMBER, 1023, 10_485_761],
    "max_attempts": [*NOT_A_WHOLE_NUMBER, 0, 21],
}
NEITHER_A_WHOLE_NUMBER_NOR_NULL: Final = [value for value in NOT_A_WHOLE_NUMBER if value is not None]
WAITS: Final = {
    "retry_base_seconds": [*NOT_A_WHOLE_NUMBER, 0, 3_601],
    "retry_cap_seconds": [*NOT_A_WHOLE_NUMBER, 0, 86_401],
    "idle_timeout_seconds": [*NEITHER_A_WHOLE_NUMBER_NOR_NULL, 0, 86_401],
    "waiting_timeout_seconds": [*NEITHER_A_WHOLE_NUMBER_NOR_NULL, 0, 31_536_001],
}
RATES: Final = {
    "rate_limit": [*NEITHER_A_WHOLE_NUMBER_NOR_NULL, 0, 10_001],
    "rate_period_seconds": [*NOT_A_WHOLE_NUMBER, 0, 86_401],
}
AGENT_FIELDS: Final[dict[str, list[Any]]] = {
    **LIMITS,
    **WAITS,
    "is_paused": [True],
    "held_until_at": [None],
    "name": [*NOT_A_NAME, " a", "a ", "a/b", "a\nb", "-a", "<b>"],
    "description": [*NOT_TEXT, "a" * 501, "two\nlines"],
    "queue": NOT_A_NAME,
    "uuid": ["x"],
    "owner": ["bob"],
    "deleted_at": [None],
}
AGENT: Final = {"name": "poet", "kind": "echo"}
WRONG_AGENT_FIELDS: Final[dict[str, list[Any]]] = {
    **AGENT_FIELDS,
    "kind": [None, True, 1, [], {}, "", "Echo", "robot"],
    "word_delay_ms": [*NOT_A_WHOLE_NUMBER, -1, 10_001],
}
WRONG_AGENT_CHANGES: Final[dict[str, list[Any]]] = {
    **AGENT_FIELDS,
    "kind": ["echo", "command", None],
    # null is how the default comes back.
    "word_delay_ms": [value for value in [*NOT_A_WHOLE_NUMBER, -1, 10_001] if value is not None],
}
QUEUE: Final = {"name": "slow"}
WRONG_QUEUE_FIELDS: Final[dict[str, list[Any]]] = {
    "name": [*NOT_A_NAME, " a", "a b", "é", ".a", "a/b", "a\nb"],
    "concurrency_limit": LIMITS["concurrency_limit"],
    **RATES,
    "is_paused": [True],
    "is_shared": [True],
    "owner": [None],
}


def cases(fields: dict[str, list[Any]]) -> list[Any]:
    return [
        pytest.param(name, value, id=f"{name}-{str(value)[:24]!a}")
        for name, values in fields.items()
        for value in values
    ]


def written() -> tuple[int, int, int]:
    return Task.objects.count(), Agent.objects.count(), Queue.objects.count()


def refuse(response: Any, field: str) -> None:
    assert response.status_code == 400, response.content
    assert response.headers["Content-Type"] == "application/problem+json; charset=utf-8"
    assert list(codes(response)) == [field]


@pytest.mark.parametrize(("field", "value"), cases(WRONG_TASK_FIELDS))
def test_a_new_task(as_alice: Api, agent: Agent, field: str, value: Any) -> None:
    before = written()
    refuse(as_alice.post("tasks", {**TASK, field: value}), field)
    assert written() == before


@pytest.mark.parametrize(
    ("field", "value"), cases({name: WRONG_TASK_FIELDS[name] for name in ("title", "prompt", "order", "queue")})
)
def test_a_changed_task(as_alice: Api, agent: Agent, field: str, value: Any) -> None:
    task = make_task(agent)
    refuse(as_alice.patch(f"tasks/{task.uuid}", {field: value}), field)
    assert task.events.count() == 1


@pytest.mark.parametrize("value", [*NOT_TEXT, "a" * 501])
def test_a_reason(as_alice: Api, agent: Agent, value: Any) -> None:
    task = make_task(agent)
    refuse(as_alice.post(f"tasks/{task.uuid}/cancel", {"reason": value}), "reason")
    assert task.events.count() == 1


@pytest.mark.parametrize(("field", "value"), cases(WRONG_AGENT_FIELDS))
def test_a_new_agent(as_alice: Api, default_queue: Queue, field: str, value: Any) -> None:
    refuse(as_alice.post("agents", {**AGENT, field: value}), field)
    assert not Agent.objects.exists()


@pytest.mark.parametrize(("field", "value"), cases(WRONG_AGENT_CHANGES))
def test_a_changed_agent(as_alice: Api, agent: Agent, field: str, value: Any) -> None:
    refuse(as_alice.patch(f"agents/{agent.uuid}", {field: value}), field)
    agent.refresh_from_db()
    assert (agent.name, agent.config) == ("scribe", {})


@pytest.mark.parametrize(("field", "value"), cases(WRONG_QUEUE_FIELDS))
def test_a_new_queue(as_alice: Api, default_queue: Queue, field: str, value: Any) -> None:
    refuse(as_alice.post("queues", {**QUEUE, field: value}), field)
    assert Queue.objects.get() == default_queue


@pytest.mark.parametrize(("field", "value"), cases({"concurrency_limit": LIMITS["concurrency_limit"], **RATES}))
def test_a_changed_queue(as_alice: Api, agent: Agent, field: str, value: Any) -> None:
    queue = make_queue(agent.owner)
    refuse(as_alice.patch(f"queues/{queue.uuid}", {field: value}), field)


BOUNDS: Final[list[tuple[str, dict[str, Any]]]] = [
    ("tasks", {**TASK, "prompt": "é" * 200_000}),
    ("tasks", {**TASK, "prompt": "\U0001f600" * 200_000}),
    ("tasks", {**TASK, "title": ""}),
    ("tasks", {**TASK, "title": "a" * 200}),
    ("tasks", {**TASK, "order": 2**31 - 1}),
    ("tasks", {**TASK, "order": -(2**31)}),
    ("tasks", {**TASK, "input": None}),
    ("tasks", {**TASK, "input": json.loads("[" * 16 + "]" * 16)}),
    ("tasks", {**TASK, "not_before_at": None}),
    ("tasks", {**TASK, "not_before_at": "9999-12-31T00:00:00Z"}),
    ("tasks", {**TASK, "start_by_at": None}),
    ("tasks", {**TASK, "not_before_at": "9999-12-31T00:00:00Z", "start_by_at": "9999-12-31T00:00:00Z"}),
    ("tasks", {**TASK, "concurrency_key": "a b" + "é" * 197, "concurrency_policy": "drop_newer"}),
    ("agents", {**AGENT, "retry_base_seconds": 3_600, "retry_cap_seconds": 86_400}),
    ("agents", {**AGENT, "idle_timeout_seconds": 86_400, "waiting_timeout_seconds": 31_536_000}),
    ("agents", {**AGENT, "idle_timeout_seconds": None, "waiting_timeout_seconds": None}),
    ("queues", {"name": "a", "rate_limit": 10_000, "rate_period_seconds": 86_400}),
    ("queues", {"name": "a", "rate_limit": None, "rate_period_seconds": 1}),
    ("agents", {**AGENT, "name": "é" * 100, "description": "a" * 500}),
    ("agents", {**AGENT, "concurrency_limit": 10_000, "timeout_seconds": 86_400, "max_attempts": 20}),
    ("agents", {**AGENT, "concurrency_limit": 1, "timeout_seconds": 1, "max_attempts": 1}),
    ("queues", {"name": "a" * 100, "concurrency_limit": 10_000}),
]


@pytest.mark.parametrize(("path", "body"), BOUNDS)
def test_the_bounds_themselves_are_fine(as_alice: Api, agent: Agent, path: str, body: dict[str, Any]) -> None:
    assert as_alice.post(path, body).status_code == 201


BODIES: Final[dict[str, bytes | str]] = {
    "nothing of json": "agent=scribe",
    "half": '{"agent": "scribe", "prompt": "p"',
    "two": '{"agent": "scribe", "prompt": "p"} {}',
    "trailing comma": '{"agent": "scribe", "prompt": "p",}',
    "array": '[{"agent": "scribe", "prompt": "p"}]',
    "text": '"prompt"',
    "number": "1",
    "null": "null",
    "blank": "   ",
    "duplicate key": '{"agent": "scribe", "prompt": "p", "prompt": "q"}',
    "duplicate key inside": '{"agent": "scribe", "prompt": "p", "input": {"a": 1, "a": 2}}',
    "nan": '{"agent": "scribe", "prompt": "p", "input": NaN}',
    "infinity": '{"agent": "scribe", "prompt": "p", "input": -Infinity}',
    "too large a float": '{"agent": "scribe", "prompt": "p", "input": 1e400}',
    "too long an integer": '{"agent": "scribe", "prompt": "p", "order": ' + "9" * 5000 + "}",
    "nul in the prompt": f'{{"agent": "scribe", "prompt": {NUL}}}',
    "nul in the input": f'{{"agent": "scribe", "prompt": "p", "input": [{NUL}]}}',
    "nul in a key": f'{{"agent": "scribe", "prompt": "p", "input": {{{NUL}: 1}}}}',
    "nul in a name": f'{{"agent": {NUL}, "prompt": "p"}}',
    "half a surrogate pair in the prompt": f'{{"agent": "scribe", "prompt": {LONE_SURROGATE}}}',
    "half a surrogate pair in the input": f'{{"agent": "scribe", "prompt": "p", "input": {LONE_SURROGATE}}}',
    "raw nul": b'{"agent": "scribe", "prompt": "a\x00b"}',
    "not utf-8": b'{"agent": "scribe", "prompt": "\xff\xfe"}',
    "byte order mark": b'\xef\xbb\xbf{"agent": "scribe", "prompt": "p"}',
    "utf-16": '{"agent": "scribe", "prompt": "p"}'.encode("utf-16"),
    "deep": '{"agent": "scribe", "prompt": "p", "input": ' + "[" * 100_000 + "]" * 100_000 + "}",
    "many members": '{"agent": "scribe", "prompt": "p", "input": [' + "0," * 200_000 + "0]}",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_malformed_body_is_refused_at_once(as_alice: Api, agent: Agent, body: bytes | str) -> None:
    # The first request loads everything.
    as_alice.get("me")
    started = time.process_time()
    response = as_alice.send("POST", "tasks", body, content_type="application/json")
    assert (response.status_code, response.json()["code"]) == (400, "malformed_json")
    assert time.process_time() - started < 1
    assert not Task.objects.exists()


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "application/json; charset=utf-16",
        "application/json; charset=nonsense",
    ],
)
def test_only_json_is_understood(as_alice: Api, agent: Agent, content_type: str) -> None:
    response = as_alice.send("POST", "tasks", json.dumps(TASK), content_type=content_type)
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")
    assert not Task.objects.exists()


def test_all_wrong_fields_are_named_at_once(as_alice: Api, agent: Agent) -> None:
    response = as_alice.post("tasks", {"prompt": "", "order": "1", "colour": "red"})
    assert codes(response) == {"agent": "required", "prompt": "blank", "order": "invalid", "colour": "unknown_field"}


def test_many_unknown_fields_do_not_make_a_long_answer(as_alice: Api, agent: Agent) -> None:
    response = as_alice.post("tasks", {**TASK, **{f"{'x' * 1000}{number}": 1 for number in range(200)}})
    assert response.status_code == 400
    assert len(response.content) < 20_000


def test_errors_never_repeat_what_was_sent(as_alice: Api, agent: Agent) -> None:
    secret = "hunter2-hunter2-hunter2"
    for body in ({**TASK, "agent": secret}, {**TASK, "order": secret}, {**TASK, "not_before_at": secret}):
        assert secret.encode() not in as_alice.post("tasks", body).content


@pytest.mark.parametrize(
    "text", ["{{7*7}}", "{0.__class__}", "%(x)s", "'; DROP TABLE tasks; --", "<script>alert(1)</script>"]
)
def test_text_stays_text(as_alice: Api, agent: Agent, text: str) -> None:
    body = {**TASK, "prompt": text, "title": text, "input": {text: text}}
    uuid = as_alice.post("tasks", body).json()["uuid"]
    task = as_alice.get(f"tasks/{uuid}").json()
    assert (task["prompt"], task["title"], task["input"]) == (text, text, {text: text})


def test_a_broken_agent_does_not_break_its_owners_lists(as_alice: Api, agent: Agent) -> None:
    make_agent(agent.owner, config={"word_delay_ms": "broken"})
    assert as_alice.get("agents").status_code == 200
