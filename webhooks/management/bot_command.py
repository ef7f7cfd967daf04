"""What the commands about the webhooks of Telegram bots share."""

from argparse import Namespace
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from accounts.models import User
from personalq.lib.errors import NotFound
from personalq.lib.identifiers import as_uuid
from tasks.management.json_command import JsonCommand
from webhooks import access
from webhooks.models import TelegramBot
from webhooks.telegram.webhook import Info


class BotCommand(JsonCommand):
    """Does something with one bot of the user for whom it acts, or with anybody's for operators."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("bot", help="its id, or the name of one of your own or its name in Telegram")
        super().add_arguments(parser)

    def answer(self, *, actor: User, options: Namespace) -> dict[str, Any]:
        bot = find_bot(actor, options.bot)
        return {"bot": str(bot.uuid), "username": bot.username, **self.act(actor=actor, bot=bot, options=options)}

    def act(self, *, actor: User, bot: TelegramBot, options: Namespace) -> dict[str, Any]:
        """Do it, and say what became of it."""
        raise NotImplementedError


def find_bot(actor: User, name: str) -> TelegramBot:
    """The bot of this id, or an own one of this name. Raises NotFound or NotYours."""
    uuid = as_uuid(name)
    if uuid is not None:
        return access.bot_for(actor, uuid, "change")
    own = access.bots_of(actor).select_related("door__owner")
    found = own.filter(door__name=name).first() or own.filter(username__iexact=name.removeprefix("@")).first()
    if found is None:
        raise NotFound("You have no bot of this name.")
    return found


def info_of(info: Info) -> dict[str, Any]:
    """What Telegram says, as JSON."""
    last = info.last_error_at
    return {**asdict(info), "last_error_at": last.isoformat().replace("+00:00", "Z") if last else None}
