"""Time that goes by, work that is done, and what Telegram refuses."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from django.db.models import F

from tasks import lifecycle
from tasks.claims import Claim
from tasks.models import Task
from tests.webhooks.telegram.making import Room
from tests.wire.server import Exchange
from tests.wire.telegram_server import refuse
from webhooks.models import TelegramBot, TelegramReply, TelegramThread
from webhooks.telegram import turns

Trouble = Callable[[Exchange, str, dict[str, Any]], Awaitable[bool]]


def later(seconds: float = 3600) -> None:
    """As if so much time had gone by: what has a time is moved into the past."""
    ago = timedelta(seconds=seconds)
    for model in (TelegramThread, TelegramReply):
        model.objects.filter(due_at__isnull=False).update(due_at=F("due_at") - ago)
        model.objects.filter(claimed_until_at__isnull=False).update(claimed_until_at=F("claimed_until_at") - ago)
    TelegramThread.objects.filter(status_at__isnull=False).update(status_at=F("status_at") - ago)
    TelegramBot.objects.filter(held_until_at__isnull=False).update(held_until_at=F("held_until_at") - ago)


def finish(room: Room, result: str = "done") -> Task:
    task = room.claims()
    return lifecycle.complete(claim=Claim.of(task), result=result)


def fails(code: int, description: str, *, times: int = 10**6, method: str = "") -> Trouble:
    """Telegram refuses so many calls."""
    left = [times]

    async def trouble(exchange: Exchange, called: str, _: dict[str, Any]) -> bool:
        if not left[0] or (method and called != method):
            return False
        left[0] -= 1
        await refuse(exchange, code, description)
        return True

    return trouble


def is_due(room: Room) -> bool:
    return room.bot.pk in turns.bots_with_work()
