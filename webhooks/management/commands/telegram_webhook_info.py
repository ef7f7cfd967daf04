"""Ask Telegram where it posts a bot's updates."""

from argparse import Namespace
from typing import Any

from accounts.models import User
from webhooks.management.bot_command import BotCommand, info_of
from webhooks.models import TelegramBot
from webhooks.telegram import webhook


class Command(BotCommand):
    help = "Ask Telegram where it posts a bot's updates, and how that goes."

    def act(self, *, actor: User, bot: TelegramBot, options: Namespace) -> dict[str, Any]:  # noqa: ARG002 - as its parent
        return info_of(webhook.read(bot))
