"""What can be read by URI: tasks, their output, and the older server's agents."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote
from uuid import UUID

from mcp_types import ResourceTemplate, TextResourceContents

from accounts import scopes
from personalq.lib.current_request import serving
from personalq.lib.errors import NotFound
from tasks import access, feed, older_tools
from tasks.mcp.callers import Caller
from tasks.mcp.catalogue import LONGEST_TEXT, cut
from tasks.mcp.outputs import end_of_output
from tasks.mcp.rest import Rest

URI_LENGTH: Final = 500
OUTPUT_CHARACTERS: Final = 200_000
CUT_NOTE: Final = "[The beginning is left out: these are the last {shown} characters.]\n"
JSON_TYPE: Final = "application/json"
TEXT_TYPE: Final = "text/plain"
_UUID: Final = "(?P<uuid>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})"


def _task(caller: Caller, uuid: str) -> str:
    return as_json(cut(Rest(caller).get(f"/tasks/{uuid}"), LONGEST_TEXT))


def _output(caller: Caller, uuid: str, attempt: str | None) -> str:
    scopes.require(caller.identity, "tasks:read")
    task = access.task_for(caller.user, UUID(uuid))
    wanted = task.attempts if attempt is None else int(attempt)
    text, is_cut = end_of_output(task.pk, longest=OUTPUT_CHARACTERS, after=0, up_to=feed.horizon(), attempt=wanted)
    return CUT_NOTE.format(shown=len(text)) + text if is_cut else text


def _agent(caller: Caller, name: str) -> str:
    scopes.require(caller.identity, "agents:read")
    return as_json(older_tools.agent_status(actor=caller.user, name=unquote(name)))


@dataclass(frozen=True, kw_only=True)
class Template:
    """A kind of resource."""

    uri_template: str
    name: str
    title: str
    description: str
    mime_type: str
    pattern: re.Pattern[str]
    read: Callable[..., str]

    @property
    def listed(self) -> ResourceTemplate:
        return ResourceTemplate(
            uri_template=self.uri_template,
            name=self.name,
            title=self.title,
            description=self.description,
            mime_type=self.mime_type,
        )


TEMPLATES: Final = (
    Template(
        uri_template="task://{uuid}",
        name="task",
        title="Task",
        description="A task as get_task gives it.",
        mime_type=JSON_TYPE,
        pattern=re.compile(f"task://{_UUID}"),
        read=_task,
    ),
    Template(
        uri_template="task://{uuid}/output{?attempt}",
        name="task-output",
        title="Output of a task",
        description=f"The text that the present or a given attempt has put out, its last {OUTPUT_CHARACTERS} "
        "characters.",
        mime_type=TEXT_TYPE,
        pattern=re.compile(rf"task://{_UUID}/output(?:\?attempt=(?P<attempt>[0-9]{{1,9}}))?"),
        read=_output,
    ),
    Template(
        uri_template="agent://{name}",
        name="agent",
        title="Agent",
        description="An agent as get_agent_status gives it.",
        mime_type=JSON_TYPE,
        pattern=re.compile("agent://(?P<name>[^/?#]{1,300})"),
        read=_agent,
    ),
)


def read(*, caller: Caller, uri: str) -> TextResourceContents:
    """The resource at a URI. Raises NotFound for one that fits no template, and what its access raises."""
    if len(uri) <= URI_LENGTH:
        for template in TEMPLATES:
            if match := template.pattern.fullmatch(uri):
                with serving(caller.mark):
                    text = template.read(caller, **match.groupdict())
                return TextResourceContents(uri=uri, mime_type=template.mime_type, text=text)
    raise NotFound("Read task://<uuid>, task://<uuid>/output or agent://<name>.")


def as_json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
