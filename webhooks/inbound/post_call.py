"""What ElevenLabs tells after a call: `ElevenLabs-Signature`, and in the body what happened and in which conversation.

Source: https://elevenlabs.io/docs/eleven-agents/workflows/post-call-webhooks.
"""

from collections.abc import Mapping
from typing import Any, Final

from webhooks.doors import transcripts
from webhooks.doors.signatures.base import Arrival
from webhooks.models import Door
from webhooks.voice import signature

AUDIO: Final = "post_call_audio"


def proof_header(door: Door | None) -> str:  # noqa: ARG001 - the same for all
    return signature.HEADER


def verify(secret: str, arrival: Arrival) -> bool:
    given = arrival.header(signature.HEADER)
    return given is not None and signature.verify(secret, given, arrival.body, arrival.now)


def key_of(arrival: Arrival, payload: Mapping[str, Any]) -> str:
    data = payload.get("data")
    conversation = data.get("conversation_id") if isinstance(data, Mapping) else None
    # It is sent again with a new time in its signature, and perhaps with another order of its members.
    return f"{event_of(arrival, payload)}:{conversation}" if isinstance(conversation, str) and conversation else ""


def signs_key() -> bool:
    return True


def event_of(arrival: Arrival, payload: Mapping[str, Any]) -> str:  # noqa: ARG001 - a scheme's signature
    named = payload.get("type")
    return named if isinstance(named, str) else ""


def ignored_because(event: str) -> str:
    # A sender that is refused again and again switches the whole webhook off, so what asks for nothing is taken.
    if event == transcripts.TRANSCRIPTION:
        return ""
    return "audio" if event == AUDIO else "no_call"
