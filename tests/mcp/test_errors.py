"""What goes wrong on our side says nothing of our side."""

import json
import logging
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import OperationalError
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolRequestParams, CallToolResult, ReadResourceRequestParams

from accounts.models import User
from personalq.lib.current_request import RequestMark
from tasks.mcp import resources, server, tools
from tasks.mcp.callers import SCOPE_KEY
from tasks.mcp.catalogue import Tool, cut
from tests.mcp.talking import text_of

SECRET = "the inside of the machine"
CALLER: Any = SimpleNamespace(
    user=User(username="alice"),
    request_id="0123",
    mark=RequestMark(id="0123"),
    identity=SimpleNamespace(scopes=None),
    may=lambda _: True,
)
CONTEXT: Any = SimpleNamespace(request=SimpleNamespace(scope={SCOPE_KEY: CALLER}), session=None)


def tool_that_raises(error: Exception, **fields: Any) -> Tool:
    def work(*_: Any) -> dict[str, Any]:
        raise error

    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    return Tool(
        name="t", title="T", description="d", scopes=(), input_schema=schema, effect="reads", work=work, **fields
    )


async def call(monkeypatch: pytest.MonkeyPatch, tool: Tool) -> CallToolResult:
    monkeypatch.setattr(tools, "TOOLS", {"t": tool})
    return await server.call_tool(CONTEXT, CallToolRequestParams(name="t"))


@pytest.mark.security
@pytest.mark.parametrize("is_older", [False, True])
async def test_mistake_of_ours_is_logged_and_not_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, *, is_older: bool
) -> None:
    result = await call(monkeypatch, tool_that_raises(ZeroDivisionError(SECRET), is_older=is_older))
    assert result.is_error
    assert result.structured_content["error"]["code"] == "internal_error"
    assert result.structured_content["error"]["request_id"] == "0123"
    assert SECRET not in json.dumps(result.model_dump(mode="json"))
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "internal_error" in text_of(result)


async def test_database_that_is_away_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    result = await call(monkeypatch, tool_that_raises(OperationalError(SECRET)))
    assert result.structured_content["error"]["code"] == "unavailable"
    assert SECRET not in text_of(result)


@pytest.mark.security
async def test_resource_that_fails_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(**_: Any) -> None:
        raise ZeroDivisionError(SECRET)

    monkeypatch.setattr(resources, "read", read)
    with pytest.raises(MCPError) as raised:
        await server.read_resource(CONTEXT, ReadResourceRequestParams(uri="task://x"))
    assert (raised.value.error.code, raised.value.error.data["code"]) == (-32603, "internal_error")
    assert SECRET not in str(raised.value.error)


def test_texts_are_cut_wherever_they_are() -> None:
    value = {"a": ["x" * 10, {"b": "y" * 11}], "c": 3, "d": None}
    shown = cut(value, 10)
    assert (shown["a"][0], shown["c"], shown["d"]) == ("x" * 10, 3, None)
    assert shown["a"][1]["b"].startswith("y" * 10 + "\n[Cut here; 1 more characters.")
