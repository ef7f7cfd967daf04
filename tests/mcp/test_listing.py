"""What the server says of itself: protocol versions, tools, resources."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from mcp import Client

from accounts.models import User
from tasks.mcp.tools import TOOLS
from tests.mcp.talking import Agent, message, post, token_of

pytestmark = pytest.mark.django_db(transaction=True)

RECORDED = json.loads((Path(__file__).parent / "older_server.json").read_text())
OLDER = {tool["name"]: tool for tool in RECORDED[1]["response"]["result"]["tools"]}
NEW = {
    "add_task", "add_tasks", "get_task", "list_tasks", "next_task", "wait_for_task", "complete_task", "fail_task",
    "cancel_task", "retry_task", "update_task", "get_task_events", "list_schedules", "create_schedule",
    "pause_schedule", "run_schedule", "enable_task_operator", "disable_task_operator", "get_usage", "list_approvals",
    "answer_approval",
}  # fmt: skip
READING = {
    "list_agents", "get_agent_status", "list_queues", "get_queue_info", "get_task", "list_tasks", "wait_for_task",
    "get_task_events", "list_schedules", "get_usage", "list_approvals",
}  # fmt: skip
DESTROYING = {"delete_agent", "delete_queue", "cancel_task", "update_task", "answer_approval"}


def listed(agent: Agent) -> dict[str, dict[str, Any]]:
    async def work(client: Client) -> dict[str, dict[str, Any]]:
        found = await client.list_tools()
        return {tool.name: tool.model_dump(by_alias=True, exclude_none=True) for tool in found.tools}

    return agent.run(work)


def test_both_eras_of_the_protocol_are_served(url: str, alice: User, mode: str) -> None:
    async def work(client: Client) -> str:
        return client.protocol_version

    version = Agent(url, token_of(alice), mode).run(work)
    assert version == {"auto": "2026-07-28", "legacy": "2025-11-25"}[mode]


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
def test_each_older_version_gets_what_it_asks_for(url: str, alice: User, version: str) -> None:
    client = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "old", "version": "1"}}
    response = post(url, token_of(alice), message("initialize", **client))
    answer = json.loads(next(line for line in response.text.splitlines() if line.startswith("data: "))[6:])
    assert answer["result"]["protocolVersion"] == version
    assert answer["result"]["serverInfo"]["name"] == "personal-q"
    assert "mcp-session-id" not in response.headers


def test_all_tools_are_there(as_alice: Agent) -> None:
    assert set(listed(as_alice)) == {*OLDER, *NEW} == set(TOOLS)


def test_older_tools_look_as_they_were_recorded(url: str, alice: User, mode: str) -> None:
    found = listed(Agent(url, token_of(alice), mode))
    for name, recorded in OLDER.items():
        assert {key: found[name][key] for key in recorded} == recorded
        assert "outputSchema" not in found[name]


def test_hints_are_true(as_alice: Agent) -> None:
    hints = {name: tool["annotations"] for name, tool in listed(as_alice).items()}
    assert {name for name, each in hints.items() if each["readOnlyHint"]} == READING
    assert {name for name, each in hints.items() if each["destructiveHint"]} == DESTROYING
    assert all(each["idempotentHint"] for name, each in hints.items() if name in READING)


@pytest.mark.parametrize("name", TOOLS)
def test_schemas_are_closed_and_bounded(name: str) -> None:
    tool = TOOLS[name]
    Draft202012Validator.check_schema(tool.input_schema)
    assert tool.input_schema["type"] == "object"
    assert tool.input_schema["additionalProperties"] is False
    assert len(tool.description) > 10
    if not tool.is_older:
        for path, schema in strings_in(tool.input_schema):
            assert "maxLength" in schema or "enum" in schema or "format" in schema, path
    if tool.output_schema is not None:
        Draft202012Validator.check_schema(tool.output_schema)
        assert tool.output_schema["type"] == "object"


def strings_in(schema: dict[str, Any], path: str = "") -> list[tuple[str, dict[str, Any]]]:
    found = [(path, schema)] if "string" in str(schema.get("type")) else []
    for name, inner in schema.get("properties", {}).items():
        found += strings_in(inner, f"{path}.{name}")
    return found + (strings_in(schema["items"], f"{path}[]") if "items" in schema else [])


def test_token_sees_the_tools_that_it_may_use(url: str, alice: User) -> None:
    reader = Agent(url, token_of(alice, "tasks:read"))
    assert set(listed(reader)) == {"get_task", "list_tasks", "wait_for_task", "get_task_events"}
    worker = Agent(url, token_of(alice, "tasks:work"))
    assert set(listed(worker)) == {"next_task", "complete_task", "fail_task", "update_task"}


@pytest.mark.security
def test_token_is_refused_what_it_does_not_see(url: str, alice: User) -> None:
    reader = Agent(url, token_of(alice, "agents:read"))
    allowed = {name for name, tool in TOOLS.items() if set(tool.scopes) <= {"agents:read"}}
    for name in set(TOOLS) - allowed:
        assert reader.refused(name)["code"] == "scope_missing", name


def test_resources_are_found_by_their_templates(url: str, alice: User, mode: str) -> None:
    async def work(client: Client) -> tuple[Any, Any]:
        return await client.list_resources(), await client.list_resource_templates()

    resources, templates = Agent(url, token_of(alice), mode).run(work)
    assert resources.resources == []
    assert [each.uri_template for each in templates.resource_templates] == [
        "task://{uuid}", "task://{uuid}/output{?attempt}", "agent://{name}"
    ]  # fmt: skip


def test_prompts_are_none(url: str, alice: User) -> None:
    response = post(url, token_of(alice), message("prompts/list"))
    assert '"code":-32601' in response.text.replace(" ", "")
