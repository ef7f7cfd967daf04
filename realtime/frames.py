"""What the server says: JSON text frames of at most 32 KiB, each made once for all sockets that get it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from realtime.refusals import Refusal
from tasks.feed import FeedEvent

MAX_BYTES: Final = 32_768


@dataclass(frozen=True, slots=True)
class Frame:
    """One text frame as the ASGI message that sends it; `size` counts its bytes."""

    message: dict[str, Any]
    size: int

    @classmethod
    def of(cls, text: str) -> "Frame":
        return cls({"type": "websocket.send", "text": text}, len(text.encode()))


def of_event(event: FeedEvent) -> Frame:
    """An event as REST shows it too. Data that would make the frame too long are cut and a link is given."""
    members = event.as_json()
    frame = _frame(members)
    return frame if frame.size <= MAX_BYTES else _cut(members)


def of_refusal(refusal: Refusal, *, to: str | None = None) -> Frame:
    return answer("error", error_code=refusal.code, message=refusal.message, **({"to": to} if to else {}))


def answer(event: str, /, **members: Any) -> Frame:
    """A frame that is no task event."""
    return _frame({"event": event, **members})


def as_time(moment: datetime) -> str:
    """ISO 8601 with seconds and a Z."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _frame(members: Mapping[str, Any]) -> Frame:
    return Frame.of(_encode(members))


def _encode(members: Mapping[str, Any]) -> str:
    return json.dumps(members, ensure_ascii=False, separators=(",", ":"))


def _cut(members: dict[str, Any]) -> Frame:
    whose = f"schedules/{members['schedule']}" if members["task"] is None else f"tasks/{members['task']}"
    link = f"/api/v1/{whose}/events?after={members['id'] - 1}"
    shell = {**members, "data": {}, "truncated": True, "link": link}
    data = dict(members["data"])
    frame = _frame({**shell, "data": data})
    while frame.size > MAX_BYTES and _shorten_longest_text(data, excess=frame.size - MAX_BYTES):
        frame = _frame({**shell, "data": data})
    return frame if frame.size <= MAX_BYTES else _frame(shell)


def _shorten_longest_text(data: dict[str, Any], *, excess: int) -> bool:
    """Take at least one character off the longest text; False when there is none to shorten."""
    texts = [name for name, value in data.items() if isinstance(value, str) and value]
    if not texts:
        return False
    longest = max(texts, key=lambda name: len(data[name]))
    text = data[longest]
    size = len(json.dumps(text, ensure_ascii=False).encode())
    # In proportion, because a character may take one byte or six; the caller looks and asks again.
    data[longest] = text[: min(len(text) - 1, len(text) * max(0, size - excess) // size)]
    return True
