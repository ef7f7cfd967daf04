"""Saying what is due for a bot, and what follows when Telegram does not take it."""

import logging
import time
from datetime import timedelta
from typing import Any, Final

from django.db import transaction
from django.views.decorators.debug import sensitive_variables

from accounts import audit
from accounts.models.audit_event import Outcome
from tasks import backoff
from tasks.clock import database_now
from tasks.models import Task
from webhooks.models import TelegramBot, TelegramLink, TelegramReply, TelegramThread
from webhooks.telegram import client, tokens
from webhooks.telegram.client import CallFailed, Flooded, Refused, Unreachable
from webhooks.telegram.telling import Teller
from webhooks.telegram.turns import Turn, TurnLost, claim_next

MOST_SECONDS: Final = 30.0
"""After that the worker looks whether others wait; the sweep goes on with this bot."""
MOST_FAILURES: Final = 30
"""About five hours."""
FIRST_PAUSE_SECONDS: Final = 5.0
LONGEST_PAUSE_SECONDS: Final = 900.0
MOST_REFUSALS: Final = 3
REVOKED_PAUSE: Final = timedelta(minutes=10)
CHAT_GONE: Final = "chat_gone"
TOKEN_REVOKED: Final = 401

_logger = logging.getLogger(__name__)


def speak(bot_id: int) -> None:
    """Say everything that is due for a bot, one thing after the other."""
    end = time.monotonic() + MOST_SECONDS
    while time.monotonic() < end:
        turn = claim_next(bot_id)
        if turn is None:
            return
        try:
            _take(turn)
        except TurnLost:
            _logger.info("What was being said for the bot %s was taken over or is gone.", turn.bot.uuid)


@sensitive_variables()
def _take(turn: Turn) -> None:
    try:
        token = tokens.reveal(turn.bot)
        if isinstance(turn.said, TelegramReply):
            client.call(token, turn.said.method, turn.said.payload)
            turn.end(next_at=None, failures=0)
        else:
            turn.end(next_at=Teller(turn, turn.said, token).tell(), failures=0)
    except tokens.TokenUnreadable:
        _hold(turn, REVOKED_PAUSE, "its token cannot be read")
    except (Task.DoesNotExist, TelegramLink.DoesNotExist):
        raise TurnLost from None
    except CallFailed as failure:
        _answer_failure(turn, failure)


def _answer_failure(turn: Turn, failure: CallFailed) -> None:
    if isinstance(failure, Flooded):
        _hold(turn, timedelta(seconds=failure.retry_after_seconds), "Telegram asked for silence")
    elif isinstance(failure, Refused) and failure.status == TOKEN_REVOKED:
        _hold(turn, REVOKED_PAUSE, "Telegram does not know its token")
    elif isinstance(failure, Refused) and failure.is_chat_gone:
        _give_up(turn, CHAT_GONE)
    elif _is_hopeless(turn, failure):
        _give_up(turn, "unreachable" if isinstance(failure, Unreachable) else "refused")
    else:
        _logger.warning("The bot %s could not say something now: %s.", turn.bot.uuid, failure)
        failures = turn.said.failures + 1
        pause = backoff.delay(failures, base=FIRST_PAUSE_SECONDS, cap=LONGEST_PAUSE_SECONDS)
        turn.end(next_at=database_now() + pause, failures=failures)


def _is_hopeless(turn: Turn, failure: CallFailed) -> bool:
    most = MOST_REFUSALS if isinstance(failure, Refused) else MOST_FAILURES
    return turn.said.failures + 1 >= most


def _hold(turn: Turn, pause: timedelta, why: str) -> None:
    until_at = database_now() + pause
    TelegramBot.objects.filter(pk=turn.bot.pk).update(held_until_at=until_at)
    _logger.warning("The bot %s says nothing for %d seconds: %s.", turn.bot.uuid, pause.total_seconds(), why)
    turn.end(next_at=until_at)


@transaction.atomic
def _give_up(turn: Turn, code: str) -> None:
    _logger.warning("The bot %s gave up saying something: %s.", turn.bot.uuid, code)
    changes: dict[str, Any] = {"code": code} if isinstance(turn.said, TelegramReply) else {}
    if isinstance(turn.said, TelegramThread):
        link = TelegramLink.objects.select_related("owner").get(pk=turn.said.link_id)
        audit.record(
            "telegram.given_up", Outcome.FAILED, owner=link.owner, about=("telegram_link", link.uuid), code=code
        )
    turn.end(next_at=None, failures=0, **changes)
