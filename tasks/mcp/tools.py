"""All tools, by their names."""

from collections.abc import Mapping
from typing import Any, Final

from tasks.mcp.callers import Caller
from tasks.mcp.catalogue import Tool
from tasks.mcp.older import OLDER_TOOLS
from tasks.mcp.other_tools import OTHER_TOOLS
from tasks.mcp.task_tools import TASK_TOOLS

TOOLS: Final[Mapping[str, Tool]] = {tool.name: tool for tool in (*OLDER_TOOLS, *TASK_TOOLS, *OTHER_TOOLS)}


def missing_scope(caller: Caller, tool: Tool) -> str | None:
    """The first scope that the caller's token lacks for the tool; None when it may be used, if only in part."""
    if tool.other_scopes and caller.may(tool.other_scopes):
        return None
    return next((scope for scope in tool.scopes if not caller.may([scope])), None)


def open_to(caller: Caller) -> list[Tool]:
    """The tools that the caller's token may use, in the order of the table."""
    return [tool for tool in TOOLS.values() if missing_scope(caller, tool) is None]


def schema_of(name: str) -> Mapping[str, Any] | None:
    """The arguments of a tool, for checks of the transport."""
    tool = TOOLS.get(name)
    return None if tool is None else tool.input_schema
