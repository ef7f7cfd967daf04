"""Bots, people in chats and updates, and a Telegram that listens."""

import itertools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from accounts.models import AuditEvent, User
from tasks.models import Agent, Task
from tests.clients import fresh_client
from tests.makers import claim_or_none, make_agent, make_queue
from tests.wire.telegram_server import TOKEN, Registered, TelegramServer
from webhooks.doors import secrets
from webhooks.models import (
    InboundRequest,
    TelegramBot,
    TelegramLink,
    TelegramRecording,
    TelegramReply,
    TelegramThread,
)
from webhooks.telegram import bots, links, sending
from webhooks.telegram.updates import Place

ANA: Final = 5550001
SECRET_HEADER: Final = "X-Telegram-Bot-Api-Secret-Token"
_numbers = itertools.count(1)
CAPTURED: Final[dict[str, dict[str, Any]]] = json.loads(
    (Path(__file__).parent / "captured_updates.json").read_text(encoding="utf-8")
)
"""Updates of every kind, in the form of the Bot API's own types."""


@dataclass
class Room:
    """A bot, whose door is open, and a person who is linked to its owner."""

    telegram: TelegramServer
    bot: TelegramBot
    agent: Agent
    link: TelegramLink
    secret: str = field(repr=False)
    chat: int = ANA

    @property
    def owner(self) -> User:
        return self.link.owner

    @property
    def address(self) -> str:
        return f"/webhooks/telegram/{self.bot.door.uuid}"

    def post(self, update: Any, *, secret: str | None = "", **headers: str) -> Any:
        """One update through the whole stack, without a socket."""
        shown = self.secret if secret == "" else secret
        given = {} if shown is None else {SECRET_HEADER: shown}
        body = update if isinstance(update, bytes) else json.dumps(update).encode()
        named = {"Content-Type": "application/json", **{name.replace("_", "-"): one for name, one in headers.items()}}
        content_type = named.pop("Content-Type")
        client = fresh_client()
        return client.post(self.address, body, content_type=content_type, headers={**given, **named}, secure=True)

    def hears(self, text: str, **changes: Any) -> int:
        """A message of the person's; returns its number."""
        update = message(text, chat=self.chat, **changes)
        assert self.post(update).status_code == 200
        number: int = update["message"]["message_id"]
        return number

    def presses(self, data: str, *, sender: int = ANA) -> None:
        """A button that is pressed."""
        assert self.post(pressed(data, chat=self.chat, sender=sender)).status_code == 200

    def speaks(self) -> list[str]:
        """Let a worker say what is due; returns what stands in the chat then."""
        sending.speak(self.bot.pk)
        return self.telegram.texts(self.chat)

    def task(self) -> Task:
        """The latest task of the link."""
        return Task.objects.get(pk=self.thread().task_id)

    def thread(self) -> TelegramThread:
        found = TelegramThread.objects.filter(link=self.link).order_by("-number").first()
        assert found is not None
        return found

    def claims(self) -> Task:
        """A worker takes the next task."""
        task = claim_or_none(self.agent.queue)
        assert task is not None
        return task


def make_bot(owner: User, *, token: str = TOKEN, name: str = "bot", **fields: Any) -> TelegramBot:
    number, _, _ = token.partition(":")
    identity = bots.Identity(telegram_id=int(number), username=fields.pop("username", "pq_bot"), token=token)
    return bots.create(actor=owner, identity=identity, name=name, **fields)


def make_link(bot: TelegramBot, agent: Agent, *, chat: int = ANA, sender: int = ANA) -> TelegramLink:
    code = links.make_code(actor=agent.owner, bot=bot, agent=agent)
    place = Place(chat_id=chat, sender_id=sender, chat_title="Ana Pop")
    link = links.link_by_code(bot=bot, place=place, text=code.text)
    assert link is not None
    return link


def make_room(owner: User, telegram: TelegramServer, **agent_fields: Any) -> Room:
    agent = make_agent(owner, queue=make_queue(owner), name="scribe", **agent_fields)
    bot = make_bot(owner)
    return Room(telegram, bot, agent, make_link(bot, agent), secret_of(bot))


def secret_of(bot: TelegramBot) -> str:
    return secrets.valid_secrets(bot.door)[0]


def person(number: int = ANA) -> dict[str, Any]:
    return {"id": number, "is_bot": False, "first_name": "Ana"}


def message(
    text: Any, /, *, chat: int = ANA, sender: int = ANA, kind: str = "message", **changes: Any
) -> dict[str, Any]:
    """An update with a message; `changes` are the message's."""
    number = next(_numbers)
    content = {
        "message_id": 10_000 + number,
        "from": person(sender),
        "chat": {"id": chat, "type": "private", "first_name": "Ana"},
        "date": 1764500000,
        "text": text,
    }
    return {"update_id": 900_000_000 + number, kind: {**content, **changes}}


def pressed(data: str, *, chat: int = ANA, sender: int = ANA) -> dict[str, Any]:
    number = next(_numbers)
    press = {
        "id": f"press-{number}",
        "from": person(sender),
        "message": {"message_id": 90, "chat": {"id": chat, "type": "private"}, "date": 0},
        "chat_instance": "-1",
        "data": data,
    }
    return {"update_id": 900_000_000 + number, "callback_query": press}


def other_bot(telegram: TelegramServer) -> str:
    """Register a second bot with Telegram; returns its token."""
    token = "5550002:BBF-the_token-of-that-bot_0123456789"
    telegram.bots[token] = Registered(5550002, "other_bot")
    return token


def counts() -> tuple[int, ...]:
    """How many rows there are of what updates may lead to."""
    rows = (Task, TelegramThread, TelegramReply, TelegramRecording, InboundRequest)
    return tuple(model.objects.count() for model in rows)


def strangers() -> list[AuditEvent]:
    """The strangers that the audit trail mentions, newest first."""
    return list(AuditEvent.objects.filter(kind="telegram.stranger"))


def said(room: Room) -> str:
    """What a worker is to say next."""
    text: str = TelegramReply.objects.filter(bot=room.bot).order_by("-id")[0].payload["text"]
    return text
