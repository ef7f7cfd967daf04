"""The door that Telegram knocks at: POST /webhooks/telegram/<door>.

Telegram shows the door's secret in a header and waits for an answer. It gets 200 as soon as what follows is written
down; whatever is to be said is said later, by workers.
"""

from typing import Final
from uuid import UUID

from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_variables

from webhooks.doors import bodies, guard
from webhooks.doors.secrets import verify_secret
from webhooks.models import DoorKind
from webhooks.telegram import conversation

PREFIX: Final = "/webhooks/telegram"
ADDRESS: Final = r"webhooks/telegram/(?P<door>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
SECRET_HEADER: Final = "X-Telegram-Bot-Api-Secret-Token"


@csrf_exempt
@sensitive_variables()
def take_update(request: HttpRequest, door: str) -> JsonResponse:
    """Take one update. Answers 200 to all that prove to come from Telegram, whatever they ask for."""
    guard.check_form(request)
    uuid = UUID(door)
    shown = guard.presented(request, SECRET_HEADER)
    found = guard.admit(
        request,
        guard.find(uuid=uuid, kinds={DoorKind.TELEGRAM}),
        kind=DoorKind.TELEGRAM,
        about=("door", uuid),
        shown=shown,
        proves=lambda expected: verify_secret(expected, shown.value),
    )
    with guard.noting_malformed(found.owner, ("door", uuid), kind=DoorKind.TELEGRAM):
        body = bodies.json_object(bodies.read(request, limit_bytes=bodies.limit_of(PREFIX)), mends_text=True)
    conversation.take(request, found, body)
    return JsonResponse({"ok": True})
