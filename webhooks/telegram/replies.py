"""Answers to commands and buttons: written down here, said later by a worker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.db.models.functions import Now

from webhooks.models import TelegramBot, TelegramReply
from webhooks.telegram import messages, nudges
from webhooks.telegram.updates import Message, Place

KEPT: Final = timedelta(days=7)
LONGEST_NOTICE: Final = 200
"""Characters of the words that are shown above the chat after a button was pressed."""


@dataclass(frozen=True)
class Button:
    """What stands on a button, and what comes back when it is pressed: at most 64 bytes."""

    label: str
    data: str


def say(bot: TelegramBot, message: Message, text: str, buttons: Sequence[Button] = ()) -> None:
    """Answer a message, in the caller's transaction."""
    payload = message_payload(message.place.chat_id, text, buttons, topic_id=message.place.topic_id)
    _write(bot, "sendMessage", {**payload, **replying_to(message.message_id)})


def say_at(bot: TelegramBot, place: Place, text: str) -> None:
    """Say something in a chat, in the caller's transaction."""
    _write(bot, "sendMessage", message_payload(place.chat_id, text, topic_id=place.topic_id))


def notice(bot: TelegramBot, callback_id: str, text: str) -> None:
    """Answer the press of a button, in the caller's transaction."""
    shown = messages.shortened(messages.sendable(text), most_units=LONGEST_NOTICE)
    _write(bot, "answerCallbackQuery", {"callback_query_id": callback_id, "text": shown})


def message_payload(
    chat_id: int, text: str, buttons: Sequence[Button] = (), *, topic_id: int | None = None
) -> dict[str, Any]:
    """The body of sendMessage. Links in it are not looked at: an address may carry something to whoever serves it."""
    payload: dict[str, Any] = {
        "chat_id": chat_id,
        "text": messages.shortened(messages.sendable(text), most_units=messages.MOST_UNITS - 1),
        "link_preview_options": {"is_disabled": True},
    }
    if topic_id is not None:
        payload["message_thread_id"] = topic_id
    if buttons:
        payload["reply_markup"] = keyboard(buttons)
    return payload


def keyboard(buttons: Sequence[Button]) -> dict[str, Any]:
    """All of them in one row; without any it takes away those that are there."""
    row = [{"text": one.label, "callback_data": one.data} for one in buttons]
    return {"inline_keyboard": [row] if row else []}


def replying_to(message_id: int) -> dict[str, Any]:
    """What makes a message an answer to another one, should that still exist."""
    return {"reply_parameters": {"message_id": message_id, "allow_sending_without_reply": True}}


def forget_old() -> int:
    """Delete what was said, or given up, more than a week ago. Returns how many."""
    return TelegramReply.objects.filter(due_at__isnull=True, created_at__lt=Now() - KEPT).delete()[0]


def _write(bot: TelegramBot, method: str, payload: Mapping[str, Any]) -> None:
    TelegramReply.objects.create(bot=bot, method=method, payload=payload)
    nudges.nudge_after_commit(bot.pk)
