"""The door of voice agents: POST /agent-tools, `{tool, args?, conversation_id?}` → `{ok, say, result}`.

The address is the same for everybody: the door is the one whose secret comes along, as `X-EL-Secret` or as
`Authorization: Bearer …`. Every answer can be spoken, errors too; `personalq.lib.problems` gives them their form.
"""

import re
from typing import Final

from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_variables

from personalq.lib.errors import MethodNotAllowed
from personalq.lib.shared_secrets import verify_secret
from webhooks.doors import bodies, guard, secrets
from webhooks.doors.guard import Presented
from webhooks.models import Door, DoorKind
from webhooks.voice import tools
from webhooks.voice.forms import read_call
from webhooks.voice.tools import Caller

ADDRESS: Final = "/agent-tools"
SECRET_HEADER: Final = "X-EL-Secret"
# One space, this spelling: whatever is lenient here is lenient in one more place than somebody has thought of.
_BEARER: Final = re.compile(r"Bearer ([!-~]+)", re.ASCII)


@csrf_exempt
@sensitive_variables()
def take_call(request: HttpRequest) -> JsonResponse:
    """Use one tool."""
    if request.method != "POST":
        raise MethodNotAllowed(headers={"Allow": "POST"})
    door = _admit(request)
    with guard.noting_malformed(door.owner, ("door", door.uuid), kind=door.kind):
        body = bodies.json_object(bodies.read(request, limit_bytes=bodies.limit_of(ADDRESS)))
        tool, arguments, conversation = read_call(body)
    answer = tools.use(caller=Caller(door=door, conversation=conversation), tool=tool, arguments=arguments)
    return JsonResponse({"ok": True, "say": answer.say, "result": dict(answer.result)})


@sensitive_variables()
def _admit(request: HttpRequest) -> Door:
    shown = presented(request)
    if request.META.get("QUERY_STRING"):
        guard.refuse(request, None, kind=DoorKind.AGENT_TOOLS, about=None, secret=shown.presence)
    door = secrets.door_by_secret(shown.value, kinds=[DoorKind.AGENT_TOOLS])
    return guard.admit(
        request,
        door,
        kind=DoorKind.AGENT_TOOLS,
        about=("door", door.uuid) if door else None,
        shown=shown,
        proves=lambda expected: verify_secret(expected, shown.value),
    )


@sensitive_variables()
def presented(request: HttpRequest) -> Presented:
    """The secret that a call brings in either header; none when both are there and differ."""
    own, bearer = guard.presented(request, SECRET_HEADER), guard.presented(request, "Authorization")
    if bearer.presence == "present":
        match = _BEARER.fullmatch(bearer.value)
        bearer = Presented(match[1], "present") if match else Presented("", "contradictory")
    if "contradictory" in {own.presence, bearer.presence}:
        return Presented("", "contradictory")
    if own.presence == "missing" or bearer.presence == "missing":
        return own if bearer.presence == "missing" else bearer
    return own if verify_secret(own.value, bearer.value) else Presented("", "contradictory")
