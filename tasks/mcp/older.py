"""The seven tools of the older MCP server, with its names, descriptions, schemas and answers.

Recorded from version 1.0.0 of the server `cursor-agents`; tests compare the list with the recording.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from tasks import older_tools
from tasks.api.agent_views import WRITE_LIMIT as AGENT_LIMIT
from tasks.api.queue_views import WRITE_LIMIT as QUEUE_LIMIT
from tasks.mcp.arguments import missing_in, strange_in, violations
from tasks.mcp.catalogue import Arguments, Tool, Work
from tasks.mcp.rest import Rest
from tasks.mcp.schemas import Schema

_DRAFT: Final = "http://json-schema.org/draft-07/schema#"
_TYPE_NAMES: Final[Mapping[type, str]] = {
    str: "string", bool: "boolean", int: "number", float: "number", list: "array", dict: "object", type(None): "null",
}  # fmt: skip


def _schema(properties: Mapping[str, Schema], *required: str) -> Schema:
    schema: Schema = {"type": "object", "properties": dict(properties)}
    if required:
        schema["required"] = list(required)
    return {**schema, "additionalProperties": False, "$schema": _DRAFT}


def _with_name(description: str, key: str = "name") -> Schema:
    return _schema({key: {"type": "string", "description": description}}, key)


_NEW_AGENT: Final = _schema(
    {
        "name": {"type": "string", "description": "Unique name for the agent"},
        "targetUrl": {
            "type": "string",
            "description": "Target URL to hit (can be public URL or Docker network URL like "
            "http://cursor-runner:3001/health)",
        },
        "method": {
            "type": "string",
            "enum": ["GET", "POST", "PUT", "DELETE", "PATCH"],
            "default": "POST",
            "description": "HTTP method to use",
        },
        "headers": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "HTTP headers to include in the request",
        },
        "body": {"description": "Request body (for POST, PUT, PATCH methods)"},
        "schedule": {
            "type": "string",
            "description": 'Cron pattern (e.g., "0 */5 * * * *" for every 5 minutes) or interval (e.g., '
            '"every 30 seconds"). Required if oneTime is false.',
        },
        "oneTime": {
            "type": "boolean",
            "default": False,
            "description": "If true, run the agent once immediately. If false, use schedule for recurring execution.",
        },
        "timeout": {"type": "number", "default": 30000, "description": "Request timeout in milliseconds"},
        "queue": {
            "type": "string",
            "description": 'Queue name to use for this agent (defaults to "default" if not specified)',
        },
    },
    "name",
    "targetUrl",
)


def _create_agent(rest: Rest, arguments: Arguments) -> dict[str, Any]:
    answer = older_tools.create_agent(actor=rest.caller.user, wanted=arguments)
    # Its HTTP routes told this one, its tools did not.
    agent = {name: value for name, value in answer["agent"].items() if name != "jobId" and value is not None}
    return {**answer, "agent": agent}


def _nameless(verb: Callable[..., dict[str, Any]]) -> Work:
    return lambda rest, _: verb(actor=rest.caller.user)


def _named(verb: Callable[..., dict[str, Any]], key: str = "name") -> Work:
    return lambda rest, arguments: verb(actor=rest.caller.user, name=arguments[key])


def _counted(limit: tuple[str, str], work: Work) -> Work:
    """What changes something counts as it does over HTTP."""

    def run(rest: Rest, arguments: Arguments) -> dict[str, Any]:
        rest.count(*limit)
        return work(rest, arguments)

    return run


OLDER_TOOLS: Final = (
    Tool(
        name="create_agent",
        title="Create Agent",
        description="Create a new agent (BullMQ job) that makes HTTP requests to a target URL. Can be one-time or "
        "recurring.",
        scopes=("agents:write", "schedules:write", "tasks:write"),
        input_schema=_NEW_AGENT,
        effect="adds",
        is_open_world=True,
        work=_counted(AGENT_LIMIT, _create_agent),
        is_older=True,
    ),
    Tool(
        name="list_agents",
        title="List Agents",
        description="List all active agents",
        scopes=("agents:read",),
        input_schema=_schema({}),
        effect="reads",
        work=_nameless(older_tools.list_agents),
        is_older=True,
    ),
    Tool(
        name="get_agent_status",
        title="Get Agent Status",
        description="Get the status of a specific agent",
        scopes=("agents:read",),
        input_schema=_with_name("Name of the agent"),
        effect="reads",
        work=_named(older_tools.agent_status),
        is_older=True,
    ),
    Tool(
        name="delete_agent",
        title="Delete Agent",
        description="Delete/remove an agent",
        # The schedule goes with it, and its tasks are cancelled.
        scopes=("agents:write", "schedules:write", "tasks:write"),
        input_schema=_with_name("Name of the agent to delete"),
        effect="destroys",
        work=_counted(AGENT_LIMIT, _named(older_tools.delete_agent)),
        is_older=True,
    ),
    Tool(
        name="list_queues",
        title="List Queues",
        description="List all available queues",
        scopes=("queues:read",),
        input_schema=_schema({}),
        effect="reads",
        work=_nameless(older_tools.list_queues),
        is_older=True,
    ),
    Tool(
        name="get_queue_info",
        title="Get Queue Info",
        description="Get detailed information about a specific queue",
        scopes=("queues:read",),
        input_schema=_with_name("Name of the queue", "queueName"),
        effect="reads",
        work=_named(older_tools.queue_info, "queueName"),
        is_older=True,
    ),
    Tool(
        name="delete_queue",
        title="Delete Queue",
        description="Delete an empty queue (cannot delete default queue or queues with jobs)",
        scopes=("queues:write",),
        input_schema=_with_name("Name of the queue to delete", "queueName"),
        effect="destroys",
        work=_counted(QUEUE_LIMIT, _named(older_tools.delete_queue, "queueName")),
        is_older=True,
    ),
)


def unknown_tool(name: str) -> str:
    """What the older server said of a tool that it did not have."""
    return f"MCP error -32602: Tool {name} not found"


def complaint(tool: str, validator: Draft202012Validator, arguments: Mapping[str, Any]) -> str:
    """What the older server said of such arguments; empty when there is nothing wrong with them."""
    issues = [issue for each in violations(validator, arguments) for issue in _issues(each)]
    if not issues:
        return ""
    listed = json.dumps(issues, indent=2, ensure_ascii=False)
    return f"MCP error -32602: Input validation error: Invalid arguments for tool {tool}: {listed}"


def _issues(violation: ValidationError) -> list[dict[str, Any]]:
    path = list(violation.absolute_path)
    wanted = violation.validator_value
    if violation.validator == "required":
        return [_missing(violation, path, name) for name in missing_in(violation)]
    if violation.validator == "additionalProperties":
        strange = strange_in(violation)
        shown = ", ".join(f"'{name}'" for name in strange)
        message = f"Unrecognized key(s) in object: {shown}"
        return [{"code": "unrecognized_keys", "keys": strange, "path": path, "message": message}]
    received = _TYPE_NAMES.get(type(violation.instance), "unknown")
    if violation.validator == "enum" and isinstance(violation.instance, str):
        shown = " | ".join(f"'{each}'" for each in wanted)
        return [{"code": "invalid_enum_value", "options": wanted, "path": path, "message": f"Expected {shown}"}]
    expected = wanted if isinstance(wanted, str) else "string"
    message = f"Expected {expected}, received {received}"
    return [{"code": "invalid_type", "expected": expected, "received": received, "path": path, "message": message}]


def _missing(violation: ValidationError, path: list[Any], name: str) -> dict[str, Any]:
    expected = violation.schema["properties"][name].get("type", "any")
    return {
        "code": "invalid_type",
        "expected": expected,
        "received": "undefined",
        "path": [*path, name],
        "message": "Required",
    }
