"""What ElevenLabs tells after a call, and the text that becomes of it.

Source: https://elevenlabs.io/docs/eleven-agents/workflows/post-call-webhooks. Only a transcript makes a task; the sound
of a call and calls that did not come about are taken and left aside, because a sender that is refused again and again
switches the whole webhook off.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

TRANSCRIPTION: Final = "post_call_transcription"
TEMPLATE: Final = "{{ conversation }}"
"""What a door makes of a call when its owner wants nothing else."""
MOST_TURNS: Final = 5_000
_SPEAKERS: Final = {"agent": "agent", "user": "user"}


def with_conversation(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The payload, and what was said as `conversation`: a line for each turn, `agent: …` or `user: …`.

    Turns without words are left out.
    """
    data = payload.get("data")
    transcript = data.get("transcript") if isinstance(data, dict) else None
    return {**payload, "conversation": "\n".join(_lines(transcript))}


def _lines(transcript: object) -> Iterator[str]:
    for turn in transcript[:MOST_TURNS] if isinstance(transcript, list) else []:
        speaker, words = (turn.get("role"), turn.get("message")) if isinstance(turn, dict) else (None, None)
        if isinstance(speaker, str) and speaker in _SPEAKERS and isinstance(words, str) and words.strip():
            # A turn is one line: nothing that was said can pass for a turn of somebody else.
            yield f"{_SPEAKERS[speaker]}: {' '.join(words.split())}"
