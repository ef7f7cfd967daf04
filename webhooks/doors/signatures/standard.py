"""Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature`.

The signature is base64 of HMAC-SHA256 over `<id>.<timestamp>.<body>` as `v1,<signature>`; several stand beside each
other with blanks between them while a sender changes its secret. Source: https://www.standardwebhooks.com, and
standard-webhooks/standard-webhooks, `spec/standard-webhooks.md`.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, Final

from django.utils.crypto import constant_time_compare

from webhooks.doors.signatures.base import LONGEST_HEADER, Arrival, is_fresh
from webhooks.models import Door

ID: Final = "webhook-id"
TIMESTAMP: Final = "webhook-timestamp"
SIGNATURE: Final = "webhook-signature"
SECRET_MARK: Final = "whsec_"
VERSION: Final = "v1,"
MOST_SIGNATURES: Final = 20


def proof_header(door: Door | None) -> str:  # noqa: ARG001 - the same for all
    return SIGNATURE


def verify(secret: str, arrival: Arrival) -> bool:
    identifier, timestamp, given = (arrival.header(name) for name in (ID, TIMESTAMP, SIGNATURE))
    if not identifier or timestamp is None or given is None or len(given) > LONGEST_HEADER:
        return False
    if not identifier.isascii() or not given.isascii() or not is_fresh(timestamp, arrival.now):
        return False
    signed = f"{identifier}.{timestamp}.".encode() + arrival.body
    key = key_in(secret)
    expected = VERSION + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    candidates = given.split(" ")[:MOST_SIGNATURES]
    same = [constant_time_compare(each, expected) for each in candidates]
    return bool(key) and any(same)


def key_of(arrival: Arrival, payload: Mapping[str, Any]) -> str:  # noqa: ARG001 - a scheme's signature
    return arrival.header(ID) or ""


def signs_key() -> bool:
    return True


def event_of(arrival: Arrival, payload: Mapping[str, Any]) -> str:  # noqa: ARG001 - a scheme's signature
    named = payload.get("type")
    return named if isinstance(named, str) else ""


def ignored_because(event: str) -> str:  # noqa: ARG001 - a scheme's signature
    return ""


def key_in(secret: str) -> bytes:
    """The key that a secret such as `whsec_…` spells, with or without padding; empty when it spells none."""
    text = secret.removeprefix(SECRET_MARK)
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        return b""
