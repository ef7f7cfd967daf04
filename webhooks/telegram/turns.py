"""Whose turn it is to be said: a bot says one thing after the other, and each belongs to one worker for a while.

A claim is a lease. It is known by its end: whoever lost it, because it ran out or because what was to be said is gone,
changes nothing any more.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import Case, F, Q, QuerySet, When
from django.db.models.functions import Now

from tasks.clock import database_now
from webhooks.models import TelegramBot, TelegramReply, TelegramThread

LEASE: Final = timedelta(seconds=60)
"""Longer than any single call takes; renewed after each."""
SPEAKING_LEASE: Final = timedelta(seconds=180)
"""Longer than it takes to make a recording of an answer and to send it."""

Said = TelegramReply | TelegramThread


class TurnLost(Exception):  # noqa: N818 - says what happened
    """The lease ran out and somebody else has the turn, or what was to be said is gone."""


@dataclass
class Turn:
    """Something that is to be said for a bot, held by a lease."""

    bot: TelegramBot
    said: Said
    due_at: datetime
    """When it was due as it was claimed: another time means that something happened since."""
    until_at: datetime

    def keep(self, lease: timedelta = LEASE, **changes: Any) -> None:
        """Write down how far it has come and renew the lease. Raises TurnLost."""
        until_at = database_now() + lease
        if not self._mine().update(claimed_until_at=until_at, **changes):
            raise TurnLost
        self.until_at = until_at
        for name, value in changes.items():
            setattr(self.said, name, value)

    def end(self, *, next_at: datetime | None, **changes: Any) -> None:
        """Let go. What happened meanwhile stays due. Raises TurnLost."""
        due_at = Case(When(due_at=self.due_at, then=next_at), default=F("due_at"))
        if not self._mine().update(claimed_until_at=None, due_at=due_at, **changes):
            raise TurnLost

    def _mine(self) -> QuerySet[Any]:
        return type(self.said)._default_manager.filter(pk=self.said.pk, claimed_until_at=self.until_at)


@transaction.atomic
def claim_next(bot_id: int) -> Turn | None:
    """The first thing that is due for a bot; None when there is none, or while somebody speaks for it or it is held."""
    bots = TelegramBot.objects.filter(pk=bot_id, door__owner__is_active=True)
    bot = bots.select_for_update(no_key=True, skip_locked=True, of=("self",)).first()
    if bot is None or _is_held(bot) or _is_spoken_for(bot):
        return None
    replies: QuerySet[Any] = TelegramReply.objects.filter(bot=bot)
    threads: QuerySet[Any] = TelegramThread.objects.filter(link__bot=bot, link__owner__is_active=True)
    for rows in (replies.order_by("pk"), threads.order_by("due_at", "pk")):
        free = rows.filter(due_at__lte=Now()).select_for_update(no_key=True, skip_locked=True, of=("self",))
        if (found := free.first()) is not None:
            return _claim(bot, found)
    return None


def bots_with_work() -> list[int]:
    """The bots that have something to say now and may."""
    free = Q(due_at__lte=Now()) & (Q(claimed_until_at__isnull=True) | Q(claimed_until_at__lte=Now()))
    found = set(TelegramReply.objects.filter(free).values_list("bot_id", flat=True))
    threads = TelegramThread.objects.filter(free, link__owner__is_active=True)
    found |= set(threads.values_list("link__bot_id", flat=True))
    may_speak = Q(held_until_at__isnull=True) | Q(held_until_at__lte=Now())
    bots = TelegramBot.objects.filter(may_speak, pk__in=found, door__owner__is_active=True)
    return list(bots.order_by("pk").values_list("pk", flat=True))


def _claim(bot: TelegramBot, found: Said) -> Turn:
    until_at = database_now() + LEASE
    type(found)._default_manager.filter(pk=found.pk).update(claimed_until_at=until_at)
    if found.due_at is None:
        raise RuntimeError("What is not due is not claimed.")
    return Turn(bot=bot, said=found, due_at=found.due_at, until_at=until_at)


def _is_held(bot: TelegramBot) -> bool:
    return bot.held_until_at is not None and bot.held_until_at > database_now()


def _is_spoken_for(bot: TelegramBot) -> bool:
    held = Q(claimed_until_at__gt=Now())
    return (
        TelegramReply.objects.filter(held, bot=bot).exists()
        or TelegramThread.objects.filter(held, link__bot=bot).exists()
    )
