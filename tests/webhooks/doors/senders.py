"""Senders of each kind, as they sign: Standard Webhooks by its own library, the others after their documentation."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import uuid4

import standardwebhooks

from accounts.models import User
from tests.makers import make_agent, make_queue
from tests.webhooks.hostile import Sent
from webhooks.doors import keeping
from webhooks.doors.keeping import NewDoor
from webhooks.models import DoorKind

JSON = ("Content-Type", "application/json")
HMAC_FIELDS: dict[str, Any] = {
    "signature_header": "X-Acme-Signature",
    "signature_prefix": "sha512=",
    "signature_digest": "sha512",
    "signature_encoding": "base64",
    "timestamp_header": "X-Acme-Time",
    "id_header": "X-Acme-Id",
}
_numbers = count()


def make_door(owner: User, kind: str, **fields: Any) -> NewDoor:
    """A door, with an agent and a queue of its own unless they are given."""
    if kind != DoorKind.TELEGRAM:
        fields.setdefault("agent", None)
        fields["agent"] = fields["agent"] or make_agent(owner, queue=make_queue(owner))
    if kind == DoorKind.HMAC:
        fields = {**HMAC_FIELDS, **fields}
    return keeping.create(actor=owner, name=fields.pop("name", f"door-{uuid4().hex[:8]}"), kind=kind, **fields)


def new_payload(**members: Any) -> dict[str, Any]:
    """A payload that differs from all others."""
    return {"type": "thing.happened", "number": next(_numbers), "title": "A thing", **members}


def request_of(new: NewDoor, payload: Any = None, *, at: float | None = None, **options: Any) -> Sent:
    """A good request of the sender that a door is for."""
    body = payload if isinstance(payload, bytes) else json.dumps(new_payload() if payload is None else payload).encode()
    sent = Sent(path=keeping.path_of(new.door), headers=(JSON,), body=body)
    return SIGN[new.door.kind](new, sent, time.time() if at is None else at, **options)


def sign_again(new: NewDoor, sent: Sent) -> Sent:
    """The request with the right proof for its present body."""
    fresh = SIGN[new.door.kind](new, Sent(path=sent.path, headers=(JSON,), body=sent.body), time.time())
    return replace(fresh, framing=sent.framing, method=sent.method)


def _standard(new: NewDoor, sent: Sent, at: float, *, identifier: str = "") -> Sent:
    identifier = identifier or f"msg_{uuid4().hex}"
    headers = {"webhook-id": identifier, "webhook-timestamp": str(int(at))}
    if is_text(sent.body):
        moment = datetime.fromtimestamp(int(at), tz=UTC)
        signature = standardwebhooks.Webhook(new.secret).sign(identifier, moment, sent.body.decode())
    else:
        # The library signs text only.
        key = base64.b64decode(new.secret.removeprefix("whsec_"))
        signed = f"{identifier}.{int(at)}.".encode() + sent.body
        signature = "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    return _with(sent, {**headers, "webhook-signature": signature})


def _github(new: NewDoor, sent: Sent, _at: float, *, event: str = "push", identifier: str = "") -> Sent:
    digest = hmac.new(new.secret.encode(), sent.body, hashlib.sha256).hexdigest()
    headers = {
        "User-Agent": "GitHub-Hookshot/044aadd",
        "X-GitHub-Delivery": identifier or str(uuid4()),
        "X-GitHub-Event": event,
        "X-GitHub-Hook-ID": "292430182",
        "X-Hub-Signature-256": f"sha256={digest}",
    }
    return _with(sent, headers)


def _gitlab(new: NewDoor, sent: Sent, _at: float, *, event: str = "Push Hook", identifier: str = "") -> Sent:
    headers = {
        "User-Agent": "GitLab/18.0.0",
        "Idempotency-Key": identifier or str(uuid4()),
        "X-Gitlab-Event": event,
        "X-Gitlab-Event-UUID": str(uuid4()),
        "X-Gitlab-Token": new.secret,
    }
    return _with(sent, headers)


def _hmac(new: NewDoor, sent: Sent, at: float, *, identifier: str = "") -> Sent:
    door = new.door
    timestamp = str(int(at))
    signed = f"{timestamp}.".encode() + sent.body if door.timestamp_header else sent.body
    digest = hmac.digest(new.secret.encode(), signed, door.signature_digest)
    text = digest.hex() if door.signature_encoding == "hex" else base64.b64encode(digest).decode()
    headers = {door.signature_header: f"{door.signature_prefix}{text}"}
    if door.timestamp_header:
        headers[door.timestamp_header] = timestamp
    if door.id_header:
        headers[door.id_header] = identifier or uuid4().hex
    return _with(sent, headers)


def _elevenlabs(new: NewDoor, sent: Sent, at: float) -> Sent:
    digest = hmac.new(new.secret.encode(), f"{int(at)}.".encode() + sent.body, hashlib.sha256).hexdigest()
    return _with(sent, {"ElevenLabs-Signature": f"t={int(at)},v0={digest}"})


def _with(sent: Sent, headers: dict[str, str]) -> Sent:
    return replace(sent, headers=(*sent.headers, *headers.items()))


def is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def call_payload(conversation: str = "", **data: Any) -> dict[str, Any]:
    """What ElevenLabs tells after a call."""
    conversation = conversation or f"conv_{uuid4().hex}"
    told = {"agent_id": "agent_1", "conversation_id": conversation, "transcript": [{"role": "user", "message": "Hi"}]}
    return {"type": "post_call_transcription", "event_timestamp": 1_739_537_297, "data": {**told, **data}}


SIGN: dict[str, Callable[..., Sent]] = {
    DoorKind.STANDARD: _standard,
    DoorKind.GITHUB: _github,
    DoorKind.GITLAB: _gitlab,
    DoorKind.HMAC: _hmac,
    DoorKind.ELEVENLABS: _elevenlabs,
}
