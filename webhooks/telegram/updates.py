"""What Telegram posts, read into values of ours. Pure.

Only what is needed is looked at, and everything may be missing or of another type: whoever knows a bot's secret is
believed to be Telegram, but an update that is odd must do no more than nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from personalq.lib.errors import InvalidInput
from webhooks.models.telegram import CHAT_TITLE_LENGTH, FILE_ID_LENGTH

ALLOWED_UPDATES: Final = ("message", "edited_message", "callback_query")
LARGEST_ID: Final = 2**63 - 1
LONGEST_CALLBACK_ID: Final = 64
_LONGEST_SECONDS: Final = 2**31 - 1
_NOT_OWN_WORDS: Final = (
    "forward_origin", "forward_from", "forward_from_chat", "forward_sender_name", "forward_date",
    # A person has chosen it, but a bot has written it.
    "via_bot", "sender_business_bot",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where somebody speaks, and who it is."""

    chat_id: int
    sender_id: int
    chat_title: str = ""
    topic_id: int | None = None
    is_private: bool = False


@dataclass(frozen=True, kw_only=True)
class Recording:
    """Something to listen to."""

    file_id: str
    seconds: int
    is_voice: bool


@dataclass(frozen=True, kw_only=True)
class Message:
    """Somebody's message, or its new text."""

    place: Place
    message_id: int
    text: str
    """Empty when there is none. Of a file it is the caption."""
    is_forwarded: bool = False
    """Whether somebody else wrote it: it was forwarded, or put there by way of a bot."""
    quoted: str = ""
    """What it answers to or quotes: other people's words, or ours."""
    recording: Recording | None = None
    has_file: bool = False
    is_edit: bool = False


@dataclass(frozen=True, kw_only=True)
class Press:
    """A button that was pressed."""

    place: Place
    callback_id: str
    data: str


Update = Message | Press


def update_id_of(body: Mapping[str, Any]) -> int:
    """The number by which an update counts once. Raises InvalidInput."""
    number = _number(body.get("update_id"))
    if number is None:
        raise InvalidInput.for_field("update_id", "invalid", "Send the update's number.")
    return number


def read(body: Mapping[str, Any]) -> Update | None:
    """What an update asks for; None for all that no bot here takes."""
    for name in ("message", "edited_message"):
        if isinstance(found := body.get(name), dict):
            return _message(found, is_edit=name != "message")
    found = body.get("callback_query")
    return _press(found) if isinstance(found, dict) else None


def _message(found: Mapping[str, Any], *, is_edit: bool) -> Message | None:
    place = _place(found, found.get("from"))
    message_id = _number(found.get("message_id"))
    if place is None or message_id is None:
        return None
    return Message(
        place=place,
        message_id=message_id,
        text=_text(found.get("text")) or _text(found.get("caption")),
        is_forwarded=any(found.get(name) for name in _NOT_OWN_WORDS),
        quoted=_quoted(found),
        recording=_recording(found),
        has_file=any(found.get(name) for name in ("photo", "document", "video", "video_note", "animation")),
        is_edit=is_edit,
    )


def _press(found: Mapping[str, Any]) -> Press | None:
    message = found.get("message")
    place = _place(message, found.get("from")) if isinstance(message, dict) else None
    callback_id = _text(found.get("id"))
    if place is None or not 0 < len(callback_id) <= LONGEST_CALLBACK_ID:
        return None
    return Press(place=place, callback_id=callback_id, data=_text(found.get("data")))


def _place(message: Mapping[str, Any], sender: object) -> Place | None:
    chat = message.get("chat")
    chat_id = _number(chat.get("id")) if isinstance(chat, dict) else None
    sender_id = _number(sender.get("id")) if isinstance(sender, dict) else None
    # Bots, and people who hide behind a channel or a group, prove nothing about who they are.
    is_hidden = not isinstance(sender, dict) or sender.get("is_bot") is True or "sender_chat" in message
    if not isinstance(chat, dict) or chat_id is None or sender_id is None or is_hidden:
        return None
    return Place(
        chat_id=chat_id,
        sender_id=sender_id,
        chat_title=_title(chat),
        topic_id=_number(message.get("message_thread_id")) if message.get("is_topic_message") is True else None,
        is_private=chat.get("type") == "private",
    )


def _title(chat: Mapping[str, Any]) -> str:
    names = [_text(chat.get(name)) for name in ("title", "first_name", "last_name")]
    joined = " ".join(name for name in names if name) or _text(chat.get("username"))
    return "".join(character for character in joined if character.isprintable())[:CHAT_TITLE_LENGTH]


def _quoted(found: Mapping[str, Any]) -> str:
    chosen, whole = found.get("quote"), found.get("reply_to_message")
    if isinstance(chosen, dict) and (text := _text(chosen.get("text"))):
        return text
    if isinstance(whole, dict):
        return _text(whole.get("text")) or _text(whole.get("caption"))
    return ""


def _recording(found: Mapping[str, Any]) -> Recording | None:
    for name in ("voice", "audio", "document"):
        file = found.get(name)
        if not isinstance(file, dict):
            continue
        if name == "document" and not _text(file.get("mime_type")).lower().startswith("audio/"):
            continue
        file_id = _text(file.get("file_id"))
        if 0 < len(file_id) <= FILE_ID_LENGTH:
            seconds = _number(file.get("duration")) or 0
            return Recording(file_id=file_id, seconds=max(0, min(seconds, _LONGEST_SECONDS)), is_voice=name == "voice")
    return None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> int | None:
    """A whole number that fits into 64 bits; true and false are none."""
    return value if type(value) is int and -LARGEST_ID <= value <= LARGEST_ID else None
