"""The rows of the access matrix for MCP: each tool, called by four actors about one owner's things."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache

from tasks.mcp.tools import TOOLS
from tests.access.mcp import MCP, OK
from tests.access.world import ACTORS, CANARY, World
from tests.mcp.talking import Agent, message, post
from tests.realtime.sockets.serving import WebProcess


@pytest.fixture(autouse=True)
def fast_and_uncounted(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    cache.clear()


@pytest.fixture
def web(tmp_path: Path, transactional_db: None) -> Iterator[WebProcess]:
    with WebProcess(tmp_path) as process:
        yield process


def test_every_tool_is_in_the_matrix() -> None:
    assert set(MCP) == set(TOOLS)


@pytest.mark.security
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("actor", ACTORS)
def test_each_tool_answers_an_actor_as_its_row_says(web: WebProcess, actor: str) -> None:
    world = World.make()
    url = f"http://127.0.0.1:{web.port}/mcp"
    place = ACTORS.index(actor)
    expected = {name: row.expected[place] for name, row in MCP.items()}
    # All of them first: what the tools make would have names of its own.
    arguments = {name: world.fill(row.arguments) for name, row in MCP.items()}
    found = {name: ask(url, world, actor, name, arguments[name]) for name in MCP}
    assert found == expected


def ask(url: str, world: World, actor: str, tool: str, arguments: dict[str, Any]) -> str | int:
    if actor == "anonymous":
        return post(url, body=message("tools/call", name=tool, arguments=arguments)).status_code
    result = Agent(url, world.bearers[actor]).call(tool, **arguments)
    if actor == "stranger":
        assert CANARY not in json.dumps(result.structured_content), tool
    if not result.is_error:
        return OK
    return str(result.structured_content["error"]["code"])
