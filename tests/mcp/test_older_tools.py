"""The older server's tools, by what was recorded of it."""

import json
from typing import Any

import pytest
from mcp_types import CallToolResult

from accounts.models import User
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


def test_default_queue_stays(url: str, olga: User) -> None:
    result = Agent(url, token_of(olga)).call("delete_queue", queueName="default")
    assert result.is_error
    assert "default queue" in json.loads(text_of(result))["error"]


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
