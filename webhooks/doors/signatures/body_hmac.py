"""Any sender that signs its bodies by an HMAC: the door's columns say where and how.

Signed is the body, or `<seconds since 1970>.<body>` when the door names a header for the time.
"""

import base64
import hmac
from collections.abc import Mapping
from typing import Any, Final

from django.utils.crypto import constant_time_compare

from webhooks.doors.signatures.base import LONGEST_HEADER, Arrival, is_fresh
from webhooks.models import Door

USUAL_HEADER: Final = "X-Signature"
USUAL_DIGEST: Final = "sha256"
_BASE64: Final = frozenset({"base64"})


def proof_header(door: Door | None) -> str:
    return door.signature_header if door and door.signature_header else USUAL_HEADER


def verify(secret: str, arrival: Arrival) -> bool:
    door, given = arrival.door, arrival.header(proof_header(arrival.door))
    signed = _signed(arrival)
    if given is None or signed is None or not given.isascii() or len(given) > LONGEST_HEADER:
        return False
    digest = hmac.digest(secret.encode(), signed, (door and door.signature_digest) or USUAL_DIGEST)
    prefix = door.signature_prefix if door else ""
    if door and door.signature_encoding in _BASE64:
        return constant_time_compare(given, prefix + base64.b64encode(digest).decode())
    # Some write hexadecimal digits in capitals.
    return given.startswith(prefix) and constant_time_compare(given[len(prefix) :].lower(), digest.hex())


def key_of(arrival: Arrival, payload: Mapping[str, Any]) -> str:  # noqa: ARG001 - a scheme's signature
    name = arrival.door.id_header if arrival.door else ""
    return (arrival.header(name) if name else None) or ""


def signs_key() -> bool:
    return False


def event_of(arrival: Arrival, payload: Mapping[str, Any]) -> str:  # noqa: ARG001 - a scheme's signature
    return ""


def ignored_because(event: str) -> str:  # noqa: ARG001 - a scheme's signature
    return ""


def _signed(arrival: Arrival) -> bytes | None:
    name = arrival.door.timestamp_header if arrival.door else ""
    if not name:
        return arrival.body
    timestamp = arrival.header(name)
    return f"{timestamp}.".encode() + arrival.body if is_fresh(timestamp, arrival.now) else None
