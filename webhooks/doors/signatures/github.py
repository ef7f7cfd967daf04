"""GitHub: `X-Hub-Signature-256: sha256=<hex HMAC-SHA256 of the body>`, `X-GitHub-Event`, `X-GitHub-Delivery`.

Source: https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, Final

from django.utils.crypto import constant_time_compare

from webhooks.doors.signatures.base import Arrival
from webhooks.models import Door

SIGNATURE: Final = "X-Hub-Signature-256"
EVENT: Final = "X-GitHub-Event"
DELIVERY: Final = "X-GitHub-Delivery"
MARK: Final = "sha256="
PING: Final = "ping"


def proof_header(door: Door | None) -> str:  # noqa: ARG001 - the same for all
    return SIGNATURE


def verify(secret: str, arrival: Arrival) -> bool:
    given = arrival.header(SIGNATURE)
    if given is None or not given.isascii():
        return False
    expected = MARK + hmac.new(secret.encode(), arrival.body, hashlib.sha256).hexdigest()
    return constant_time_compare(given, expected)


def key_of(arrival: Arrival, payload: Mapping[str, Any]) -> str:  # noqa: ARG001 - a scheme's signature
    return arrival.header(DELIVERY) or ""


def signs_key() -> bool:
    return False


def event_of(arrival: Arrival, payload: Mapping[str, Any]) -> str:  # noqa: ARG001 - a scheme's signature
    return arrival.header(EVENT) or ""


def ignored_because(event: str) -> str:
    return PING if event == PING else ""
