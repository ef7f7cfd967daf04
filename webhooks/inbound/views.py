"""The addresses by which other systems bring work in: `/webhooks/in/<door>` and `/webhooks/elevenlabs/<door>`.

The body is read within its limit, then the signature is looked at, and only then is anything made of the body. Each
request counts once (`webhooks.doors.replay`).
"""

import time
from functools import partial
from typing import Final
from uuid import UUID

from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_variables

from webhooks.doors import bodies, guard, intake, replay
from webhooks.doors.signatures.base import Arrival, Scheme
from webhooks.inbound.schemes import SCHEMES
from webhooks.models import Door, DoorKind

PREFIX: Final = "/webhooks/in"
ELEVENLABS_PREFIX: Final = "/webhooks/elevenlabs"
UUID_FORM: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
ADDRESS: Final = rf"webhooks/in/(?P<uuid>{UUID_FORM})"
ELEVENLABS_ADDRESS: Final = rf"webhooks/elevenlabs/(?P<uuid>{UUID_FORM})"

GENERIC_KINDS: Final = frozenset({DoorKind.STANDARD, DoorKind.GITHUB, DoorKind.GITLAB, DoorKind.HMAC})
# Which proofs are looked for where no door is.
_USUAL: Final = DoorKind.STANDARD


@csrf_exempt
@sensitive_variables()
def take_webhook(request: HttpRequest, uuid: str) -> JsonResponse:
    """Take one request of any system but ElevenLabs. Answers `{"received": true, "task": <uuid or null>}`."""
    return _take(request, UUID(uuid), kinds=GENERIC_KINDS, limit_bytes=bodies.limit_of(PREFIX))


@csrf_exempt
@sensitive_variables()
def take_call(request: HttpRequest, uuid: str) -> JsonResponse:
    """Take what ElevenLabs tells after a call of an agent. Answers as `take_webhook`."""
    limit_bytes = bodies.limit_of(ELEVENLABS_PREFIX)
    return _take(request, UUID(uuid), kinds=frozenset({DoorKind.ELEVENLABS}), limit_bytes=limit_bytes)


@sensitive_variables()
def _take(request: HttpRequest, uuid: UUID, *, kinds: frozenset[DoorKind], limit_bytes: int) -> JsonResponse:
    guard.check_form(request)
    body = bodies.read(request, limit_bytes=limit_bytes)
    found = guard.find(uuid=uuid, kinds=kinds)
    scheme = SCHEMES[found.kind if found else _usual_of(kinds)]
    arrival = Arrival(door=found, body=body, header=partial(guard.header, request), now=time.time())
    door = guard.admit(
        request,
        found,
        kind=found.kind if found else "unknown",
        about=("door", uuid),
        shown=guard.presented(request, scheme.proof_header(found)),
        proves=lambda secret: scheme.verify(secret, arrival),
    )
    return JsonResponse(_let_in(door, scheme, arrival).answer)


def _let_in(door: Door, scheme: Scheme, arrival: Arrival) -> intake.Taken:
    with guard.noting_malformed(door.owner, ("door", door.uuid), kind=door.kind):
        payload = bodies.json_object(arrival.body)
        event = scheme.event_of(arrival, payload)
        key = scheme.key_of(arrival, payload)
    digest = replay.digest_of(arrival.body)
    return intake.take(
        door=door,
        payload=payload,
        key=key or digest,
        digest="" if key and scheme.signs_key() else digest,
        event=event,
        ignored=scheme.ignored_because(event),
    )


def _usual_of(kinds: frozenset[DoorKind]) -> DoorKind:
    return _USUAL if _USUAL in kinds else next(iter(kinds))
