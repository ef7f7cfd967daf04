"""Let Telegram post a bot's updates here."""

from argparse import Namespace
from typing import Any

from django.core.management.base import CommandParser

from accounts.models import User
from webhooks.management.bot_command import BotCommand, info_of
from webhooks.models import TelegramBot
from webhooks.telegram import webhook


class Command(BotCommand):
    help = "Let Telegram post a bot's updates to its door at PERSONALQ_PUBLIC_URL."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--drop-pending-updates", action="store_true", help="let Telegram forget what it has not delivered yet"
        )

    def act(self, *, actor: User, bot: TelegramBot, options: Namespace) -> dict[str, Any]:
        return info_of(webhook.put(actor=actor, bot=bot, drop_pending_updates=options.drop_pending_updates))
