"""What a sample payload would come to, without a sender."""

from collections.abc import Mapping
from typing import Any

from personalq.lib.errors import InvalidInput
from webhooks.doors import intake
from webhooks.doors.signatures.base import Arrival
from webhooks.inbound.schemes import SCHEMES
from webhooks.models import Door


def expect(door: Door, *, payload: object, event: str = "") -> intake.Expected:
    """What would come of a payload that came in by a door with a template. Nothing is written.

    Without `event` it is what the payload itself says. Raises InvalidInput unless the payload is an object.
    """
    if not isinstance(payload, dict):
        raise InvalidInput.for_field("payload", "invalid", "Send a JSON object. Put the values into { }.")
    happened = event or _event_in(door, payload)
    return intake.expect(
        door=door, payload=payload, event=happened, ignored=SCHEMES[door.kind].ignored_because(happened)
    )


def _event_in(door: Door, payload: Mapping[str, Any]) -> str:
    nothing = Arrival(door=door, body=b"", header=lambda _name: None, now=0)
    return SCHEMES[door.kind].event_of(nothing, payload)
