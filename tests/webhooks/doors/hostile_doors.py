"""The doors of this room, for the table of hostile requests."""

import json
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from accounts.models import User
from tests.webhooks.doors.senders import HMAC_FIELDS, call_payload, make_door, request_of, sign_again
from tests.webhooks.hostile import DoorUnderTest, Sent
from tests.webhooks.making import SECRET, make_waiting
from webhooks.models import DoorKind
from webhooks.voice.signature import OLDEST_SECONDS

_PROOFS: Final = {
    DoorKind.STANDARD: "webhook-signature",
    DoorKind.GITHUB: "X-Hub-Signature-256",
    DoorKind.GITLAB: "X-Gitlab-Token",
    DoorKind.HMAC: HMAC_FIELDS["signature_header"],
    DoorKind.ELEVENLABS: "ElevenLabs-Signature",
}
_IDS: Final = {
    DoorKind.STANDARD: "webhook-id",
    DoorKind.GITHUB: "X-GitHub-Delivery",
    DoorKind.GITLAB: "Idempotency-Key",
    DoorKind.HMAC: HMAC_FIELDS["id_header"],
}
_OTHER_ID: Final = "b9c8a7f0-0000-4000-8000-000000000000"
_MALFORMED: Final[Mapping[str, dict[str, Any]]] = {
    "exitCode and exit_code that differ": {"exitCode": 0, "exit_code": 1},
    "exitCode and an empty exit_code": {"exitCode": 0, "exit_code": None},
    "requestId and request_id that differ": {"request_id": _OTHER_ID},
    "branchName and branch_name that differ": {"branchName": "main", "branch_name": "other"},
    "inputTokens and input_tokens that differ": {"usage": {"inputTokens": 1, "input_tokens": 2}},
    "request id of another attempt": {"requestId": _OTHER_ID},
    "exit code 256": {"exitCode": 256},
    "exit code -129": {"exitCode": -129},
    "exit code as text": {"exitCode": "0"},
    "exit code true": {"exitCode": True},
    "iterations below zero": {"iterations": -1},
    "success perhaps": {"success": "perhaps"},
    "success 2": {"success": 2},
    "success null": {"success": None},
    "output as an object": {"output": {"a": 1}},
}
_TIMED: Final = frozenset({DoorKind.STANDARD, DoorKind.HMAC, DoorKind.ELEVENLABS})


def _signed(kind: DoorKind, owner: User) -> DoorUnderTest:
    new, other = make_door(owner, kind), make_door(owner, kind)
    payload: Callable[[], Any] = call_payload if kind == DoorKind.ELEVENLABS else lambda: None

    def good(at: float | None = None) -> Sent:
        return request_of(new, payload(), at=at)

    return DoorUnderTest(
        name=kind.value,
        proof_header=_PROOFS[kind],
        good=good,
        other=lambda: request_of(other, payload()),
        prove=partial(sign_again, new),
        shifted=(lambda seconds: good(time_of(seconds))) if kind in _TIMED else None,
        oldest_seconds=OLDEST_SECONDS if kind == DoorKind.ELEVENLABS else 300,
        id_header=_IDS.get(kind, ""),
    )


def time_of(seconds: float) -> float:
    """So many seconds from now."""
    return time.time() + seconds


def _runner(owner: User) -> DoorUnderTest:
    other_secret = "secret-of-another-attempt-than-that"
    waiting, other = make_waiting(owner), make_waiting(owner, secret=other_secret)

    def good() -> Sent:
        headers = (("Content-Type", "application/json"), ("X-Webhook-Secret", SECRET))
        return Sent(path=waiting.address, headers=headers, body=json.dumps(waiting.body()).encode())

    def of_other() -> Sent:
        headers = (("Content-Type", "application/json"), ("X-Webhook-Secret", other_secret))
        return Sent(path=other.address, headers=headers, body=json.dumps(other.body()).encode())

    return DoorUnderTest(
        name="runner",
        proof_header="X-Webhook-Secret",
        good=good,
        other=of_other,
        limit_bytes=16 * 1024 * 1024,
        mends_text=True,
        malformed={name: json.dumps(waiting.body(**changes)).encode() for name, changes in _MALFORMED.items()},
    )


DOORS: Final[Mapping[str, Callable[[User], DoorUnderTest]]] = {
    **{kind.value: partial(_signed, kind) for kind in _PROOFS},
    "runner": _runner,
}
