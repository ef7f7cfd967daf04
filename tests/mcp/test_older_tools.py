"""The older server's tools, by what was recorded of it."""

import json
from typing import Any

import httpx2
import pytest
from mcp_types import CallToolResult

from accounts.models import User
from accounts.scopes import ALL
from tasks.models import Agent as TaskAgent
from tests.makers import make_queue, make_task
from tests.mcp.talking import Agent, text_of, token_of
from tests.mcp.test_listing import RECORDED

pytestmark = pytest.mark.django_db(transaction=True)

CALLS = [each for each in RECORDED if each["request"]["method"] == "tools/call"]
TARGET = "https://target.example.org/run"


def answer_of(result: CallToolResult) -> dict[str, Any]:
    assert not result.is_error, result
    assert result.structured_content is None
    text = text_of(result)
    answer: dict[str, Any] = json.loads(text)
    assert text == json.dumps(answer, indent=2, ensure_ascii=False)
    return answer


@pytest.mark.parametrize("recorded", CALLS, ids=lambda each: each["request"]["params"]["name"])
def test_recorded_calls_get_the_recorded_answers(as_alice: Agent, recorded: dict[str, Any]) -> None:
    params = json.loads(json.dumps(recorded["request"]["params"]).replace("http://127.0.0.1:7657/t/ok", TARGET))
    expected = json.loads(json.dumps(recorded["response"]["result"]).replace("http://127.0.0.1:7657/t/ok", TARGET))
    result = as_alice.call(params["name"], **params["arguments"])
    assert text_of(result) == expected["content"][0]["text"]
    assert bool(result.is_error) == expected.get("isError", False)


def test_agent_lives_and_dies(url: str, alice: User, mode: str) -> None:
    agent = Agent(url, token_of(alice), mode)
    made = answer_of(agent.call("create_agent", name="a1", targetUrl=TARGET, schedule="0 */5 * * * *"))
    assert made["agent"] == {
        "name": "a1", "targetUrl": TARGET, "method": "POST", "oneTime": False, "schedule": "0 */5 * * * *",
        "queue": "default",
    }  # fmt: skip
    assert [each["name"] for each in answer_of(agent.call("list_agents"))["agents"]] == ["a1"]
    status = answer_of(agent.call("get_agent_status", name="a1"))
    assert (status["name"], status["targetUrl"], status["isActive"]) == ("a1", TARGET, True)
    assert answer_of(agent.call("delete_agent", name="a1"))["success"] is True
    assert answer_of(agent.call("list_agents"))["agents"] == []


def test_queues_are_listed_counted_and_deleted(as_alice: Agent, alice: User, echo: TaskAgent) -> None:
    make_queue(alice, name="mine")
    make_task(echo)
    rows = {row["name"]: row for row in answer_of(as_alice.call("list_queues"))["queues"]}
    assert set(rows) == {"default", "mine"}
    info = answer_of(as_alice.call("get_queue_info", queueName="default"))
    assert (info["waiting"], info["active"]) == (1, 0)
    assert answer_of(as_alice.call("delete_queue", queueName="mine"))["success"] is True
    assert as_alice.refused("get_queue_info", queueName="mine")["code"] == "not_found"


@pytest.mark.parametrize("name", ["alice", "olga"])
def test_default_queue_stays_whoever_asks(url: str, alice: User, olga: User, name: str) -> None:
    result = Agent(url, token_of({"alice": alice, "olga": olga}[name])).call("delete_queue", queueName="default")
    assert result.is_error
    answer = json.loads(text_of(result))
    assert answer["error"].startswith("Cannot delete the default queue")


@pytest.mark.security
@pytest.mark.parametrize(
    ("tool", "setting"),
    [
        ("create_agent", "PERSONALQ_RATE_AGENT_CHANGE"),
        ("delete_agent", "PERSONALQ_RATE_AGENT_CHANGE"),
        ("delete_queue", "PERSONALQ_RATE_QUEUE_CHANGE"),
    ],
)
def test_changes_count_as_they_do_over_http(start_web: Any, alice: User, tool: str, setting: str) -> None:
    web = start_web(**{setting: "2/d"})
    agent, base = (
        Agent(f"http://127.0.0.1:{web.port}/mcp", token_of(alice)),
        f"http://127.0.0.1:{web.port}/cursor-agents",
    )
    noun, name = ("queues", "queueName") if tool == "delete_queue" else ("agents", "name")
    headers = {"Authorization": f"Bearer {agent.token}"}
    assert httpx2.delete(f"{base}/{noun}/none", headers=headers).status_code == 404
    more = {"targetUrl": TARGET, "oneTime": True} if tool == "create_agent" else {}
    told = [json.loads(text_of(agent.call(tool, **{name: "a1"}, **more))).get("code") for _ in range(2)]
    assert told == [None if more else "not_found", "rate_limited"]


@pytest.mark.security
@pytest.mark.parametrize("tool", ["create_agent", "delete_agent"])
def test_making_and_deleting_an_agent_need_each_scope(url: str, alice: User, tool: str) -> None:
    """They make or end its schedule and its tasks as well."""
    arguments = {"name": "a1"} | ({"targetUrl": TARGET, "oneTime": True} if tool == "create_agent" else {})
    for missing in ("agents:write", "schedules:write", "tasks:write"):
        agent = Agent(url, token_of(alice, *(scope for scope in ALL if scope != missing)))
        assert agent.refused(tool, **arguments)["code"] == "scope_missing", missing


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("create_agent", {"name": 1, "targetUrl": TARGET}, '"message": "Expected string, received number"'),
        ("create_agent", {"name": "a", "targetUrl": TARGET, "method": "BREW"}, "invalid_enum_value"),
        ("create_agent", {"name": "a", "targetUrl": TARGET, "headers": {"a": 1}}, '"headers",\n      "a"'),
        ("create_agent", {"name": "a", "targetUrl": TARGET, "extra": 1}, "unrecognized_keys"),
        ("create_agent", {"name": "a", "targetUrl": TARGET, "oneTime": "yes"}, "Expected boolean, received string"),
        ("create_agent", {"name": "a", "targetUrl": TARGET, "timeout": None}, "Expected number, received null"),
        ("list_agents", {"x": 1}, "unrecognized_keys"),
        ("get_agent_status", {}, '"message": "Required"'),
        ("delete_agent", {}, '"message": "Required"'),
        ("list_queues", {"x": 1}, "unrecognized_keys"),
        ("get_queue_info", {"queueName": []}, "Expected string, received array"),
        ("delete_queue", {"name": "x"}, "unrecognized_keys"),
    ],
)
def test_bad_arguments_are_refused_in_the_older_words(
    as_alice: Agent, tool: str, arguments: dict[str, Any], said: str
) -> None:
    result = as_alice.call(tool, **arguments)
    text = text_of(result)
    assert result.is_error
    assert text.startswith(f"MCP error -32602: Input validation error: Invalid arguments for tool {tool}: [")
    assert said in text
    assert result.structured_content["error"]["code"] == "validation_error"


@pytest.mark.parametrize("name", ["nobody", "a/b", "a\nb", "%", "x" * 10_000, "", "\u202e"])
def test_strange_names_are_nobodys(as_alice: Agent, name: str) -> None:
    for tool, key in (("get_agent_status", "name"), ("delete_agent", "name"), ("get_queue_info", "queueName")):
        result = as_alice.call(tool, **{key: name})
        assert result.is_error
        assert result.structured_content["error"]["code"] == "not_found"
        assert len(text_of(result)) < 1_000


@pytest.mark.parametrize(
    "more", [{}, {"schedule": "61 * * * *"}, {"schedule": "whenever"}, {"schedule": "every 0 seconds"}]
)
def test_agent_without_a_good_time_is_refused(as_alice: Agent, more: dict[str, Any]) -> None:
    error = as_alice.refused("create_agent", name="a", targetUrl=TARGET, **more)
    assert error["code"] == "validation_error"
