"""An MCP client as the SDK makes it, over real HTTP; and bare requests for what no SDK would send."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from uuid import uuid4

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, TextContent

from accounts import scopes
from accounts.models import User
from accounts.tokens import personal_tokens

T = TypeVar("T")
ACCEPTED = "application/json, text/event-stream"
PATIENCE_SECONDS = 30.0


def token_of(user: User, *granted: str) -> str:
    """A personal token, with all scopes unless some are named."""
    made = personal_tokens.create(actor=user, name=f"token {uuid4().hex[:8]}", scopes=granted or scopes.ALL)
    return made.text


class Agent:
    """A program with a token; `mode` is `legacy` or `auto`, as the SDK calls the two ways of the protocol."""

    def __init__(self, url: str, token: str, mode: str = "auto") -> None:
        self.url = url
        self.token = token
        self.mode = mode

    def run(self, work: Callable[[Client], Awaitable[T]]) -> T:
        return asyncio.run(self.do(work))

    async def do(self, work: Callable[[Client], Awaitable[T]]) -> T:
        headers = {"Authorization": f"Bearer {self.token}"}
        async with httpx2.AsyncClient(headers=headers, timeout=PATIENCE_SECONDS) as http:
            transport = streamable_http_client(self.url, http_client=http)
            async with Client(transport, mode=self.mode) as client:
                return await work(client)

    def call(self, tool: str, **arguments: Any) -> CallToolResult:
        async def work(client: Client) -> CallToolResult:
            return await client.call_tool(tool, arguments)

        return self.run(work)

    def ask(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The structured answer of a call that must go well."""
        result = self.call(tool, **arguments)
        assert not result.is_error, result
        answer: dict[str, Any] = result.structured_content
        return answer

    def refused(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The error of a call that must fail."""
        result = self.call(tool, **arguments)
        assert result.is_error, result
        error: dict[str, Any] = result.structured_content["error"]
        return error


def text_of(result: CallToolResult) -> str:
    """What the only item of a result says."""
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


def message(method: str = "tools/list", **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


def post(url: str, token: str = "", body: Any = None, **headers: str | bytes) -> httpx2.Response:
    """One bare request; a body that is bytes goes as it is."""
    content = body if isinstance(body, bytes) else json.dumps(message() if body is None else body).encode()
    own: dict[str, str | bytes] = {"Accept": ACCEPTED, "Content-Type": "application/json"}
    if token:
        own["Authorization"] = f"Bearer {token}"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    fields = [
        (name.encode(), value if isinstance(value, bytes) else value.encode())
        for name, value in ({**own, **named}).items()
    ]
    return httpx2.post(url, content=content, headers=fields, timeout=PATIENCE_SECONDS)
