"""Which scheme belongs to which kind of door."""

from collections.abc import Mapping
from typing import Final

from webhooks.doors.signatures import body_hmac, github, gitlab, standard
from webhooks.doors.signatures.base import Scheme
from webhooks.inbound import post_call
from webhooks.models import DoorKind

SCHEMES: Final[Mapping[str, Scheme]] = {
    DoorKind.STANDARD: standard,
    DoorKind.GITHUB: github,
    DoorKind.GITLAB: gitlab,
    DoorKind.HMAC: body_hmac,
    DoorKind.ELEVENLABS: post_call,
}
