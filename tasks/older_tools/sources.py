"""Where the agents of an older service are read from: a file with what it answered, or the service itself."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from personalq.lib import http, strict_json
from personalq.lib.errors import AppError, InvalidInput

SOURCE_BYTES: Final = 16 * 1024 * 1024
MOST_MEMBERS: Final = 500_000
MOST_AGENTS: Final = 10_000
DEPTH: Final = 40
_LIMITS: Final = http.Limits(read_seconds=30, total_seconds=60, response_bytes=SOURCE_BYTES)
_OK: Final = 200
_ENDING: Final = "/agents"


class SourceUnreadable(InvalidInput):
    """The file or the service does not say what its agents are."""

    code = "source_unreadable"
    title = "The agents of the older service could not be read."


@dataclass(kw_only=True)
class Source:
    """What was read, and what was seen beside it."""

    agents: list[Any]
    notes: list[str] = field(default_factory=list)


def read_file(path: Path) -> Source:
    """What `GET /agents` answered, kept in a file. Raises SourceUnreadable."""
    try:
        with path.open("rb") as file:
            content = file.read(SOURCE_BYTES + 1)
    except OSError as error:
        raise SourceUnreadable(f"{path} cannot be read: {error.strerror}.") from None
    if len(content) > SOURCE_BYTES:
        raise SourceUnreadable(f"{path} is larger than {SOURCE_BYTES} bytes.")
    return Source(agents=_list_in(_parse(content, str(path)), "agents"))


def read_url(url: str) -> Source:
    """What the service answers at its address `…/agents`, under the rules for all outgoing calls.

    Its list leaves agents out that its queues name; those are asked for one by one. Raises SourceUnreadable.
    """
    return asyncio.run(_read_url(url))


async def _read_url(url: str) -> Source:
    if not url.endswith(_ENDING):
        raise SourceUnreadable("Give the address of the list, which ends in /agents: http://cursor-agents:3002/agents.")
    source = Source(agents=_list_in(await _ask(url), "agents"))
    queues = _list_in(await _ask(f"{url.removesuffix(_ENDING)}/queues"), "queues")
    for name in sorted(_named_in(queues) - set(_names_of(source.agents)))[:MOST_AGENTS]:
        try:
            source.agents.append(await _ask(f"{url}/{quote(name, safe='')}"))
        except SourceUnreadable:
            source.notes.append(f'A queue names the agent "{name[:100]}", and the service does not know it.')
    return source


async def _ask(url: str) -> Mapping[str, Any]:
    try:
        answer = await http.fetch("GET", url, headers={"Accept": "application/json"}, limits=_LIMITS)
    except http.HttpRefused as refused:
        raise SourceUnreadable(f"{url} was not asked or did not answer. {refused}") from None
    if answer.status != _OK:
        raise SourceUnreadable(f"{url} answered {answer.status}. Give the address of the older service's list.")
    return _parse(answer.body, url)


def _parse(content: bytes, where: str) -> Mapping[str, Any]:
    try:
        found = strict_json.parse(content, max_depth=DEPTH, max_members=MOST_MEMBERS)
    except AppError as error:
        raise SourceUnreadable(f"{where} holds no acceptable JSON. {error.detail}") from None
    if not isinstance(found, Mapping):
        raise SourceUnreadable(f"{where} holds JSON, but no object.")
    return found


def _list_in(document: Mapping[str, Any], name: str) -> list[Any]:
    found = document.get(name)
    if not isinstance(found, list):
        raise SourceUnreadable(f'There is no list "{name}" in it. Use what the older service answers to GET /{name}.')
    if len(found) > MOST_AGENTS:
        raise SourceUnreadable(f"It holds more than {MOST_AGENTS} {name}.")
    return found


def _named_in(queues: Iterable[Any]) -> set[str]:
    lists = [queue.get("agents") for queue in queues if isinstance(queue, Mapping)]
    return {name for names in lists if isinstance(names, list) for name in names if isinstance(name, str) and name}


def _names_of(agents: Iterable[Any]) -> list[str]:
    return [str(agent.get("name")) for agent in agents if isinstance(agent, Mapping)]
