"""What follows from an update: rows, and nothing that waits for anybody outside."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db import DatabaseError, DataError, IntegrityError, transaction
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from personalq.lib.errors import AppError, RateLimited
from personalq.lib.rate_limits import limit
from tasks.models import Task
from webhooks.doors import replay
from webhooks.models import Door, Outcome, TelegramBot, TelegramLink
from webhooks.telegram import commands, deeds, incoming, links, recordings, replies, strangers, updates
from webhooks.telegram.commands import Command
from webhooks.telegram.updates import Message, Place, Press

NOTHING_TO_READ: Final = "I take text and recordings."

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Done:
    """What became of an update."""

    outcome: Outcome
    code: str = ""
    task: Task | None = None


_IGNORED: Final = Done(Outcome.IGNORED)


@sensitive_variables()
@transaction.atomic
def take(request: HttpRequest, door: Door, body: Mapping[str, Any]) -> None:
    """Carry an update out, once, however often it comes. Raises InvalidInput for one without its number."""
    key = f"update-{updates.update_id_of(body)}"
    if not replay.first_time(door=door, key=key):
        return
    bot = TelegramBot.objects.select_related("door__owner").get(door=door)
    done = _carry_out(request, bot, body)
    replay.remember(door=door, key=key, outcome=done.outcome, code=done.code, task=done.task)


@sensitive_variables()
def _carry_out(request: HttpRequest, bot: TelegramBot, body: Mapping[str, Any]) -> Done:
    update = updates.read(body)
    if update is None:
        return _IGNORED
    try:
        with transaction.atomic():
            return _message(request, bot, update) if isinstance(update, Message) else _press(bot, update)
    except AppError as error:
        return _refused(bot, update, error)
    except Exception as error:
        if isinstance(error, DatabaseError) and not isinstance(error, DataError | IntegrityError):
            # It may go better soon: the sender is told to try again.
            raise
        # Sent again it would break again, and keep all later ones from coming.
        _logger.exception("An update of the bot %s could not be carried out.", bot.uuid)
        return Done(Outcome.REFUSED, "internal_error")


def _message(request: HttpRequest, bot: TelegramBot, message: Message) -> Done:
    command = None if message.is_forwarded else commands.read(message.text)
    if command is not None and not command.is_for(bot):
        return _IGNORED
    if command is not None and command.name == "start" and command.argument and not message.is_edit:
        return _start(request, bot, message, command)
    link = links.find(bot, message.place)
    if link is None:
        return _stranger(bot, message.place)
    return _from_linked(link, message, command)


def _refused(bot: TelegramBot, update: Message | Press, error: AppError) -> Done:
    """Tell somebody who is linked, or brings a good code, what is refused and why. Strangers meet no refusal."""
    if isinstance(update, Message):
        replies.say(bot, update, deeds.words_of(error))
    else:
        replies.notice(bot, update.callback_id, deeds.words_of(error))
    return Done(Outcome.REFUSED, error.code)


def _from_linked(link: TelegramLink, message: Message, command: Command | None) -> Done:
    if message.is_edit:
        task = None if command else incoming.change(link, message)
        return Done(Outcome.DONE, task=task) if task else _IGNORED
    if command is not None:
        replies.say(link.bot, message, commands.carry_out(link, command))
        return Done(Outcome.DONE, command.name)
    if message.recording is not None:
        recordings.take(link, message)
        return Done(Outcome.DONE, "recording")
    if not message.text.strip():
        return _wordless(link, message)
    return Done(Outcome.TASK, task=incoming.take(link, message).task)


def _wordless(link: TelegramLink, message: Message) -> Done:
    # In a group this would be an answer to everything that happens there.
    if message.place.is_private:
        replies.say(link.bot, message, NOTHING_TO_READ)
    return _IGNORED


@sensitive_variables()
def _start(request: HttpRequest, bot: TelegramBot, message: Message, command: Command) -> Done:
    if not _may_guess(request, bot, message.place):
        return _stranger(bot, message.place)
    link = links.link_by_code(bot=bot, place=message.place, text=command.argument)
    if link is not None:
        replies.say(bot, message, commands.greeting(link))
        return Done(Outcome.DONE, "linked")
    known = links.find(bot, message.place)
    if known is None:
        return _stranger(bot, message.place)
    replies.say(bot, message, "This code is not good any more. Make a new one on the page of the bot.")
    return Done(Outcome.REFUSED, "code_refused")


def _may_guess(request: HttpRequest, bot: TelegramBot, place: Place) -> bool:
    try:
        limit(request, group="telegram-code", key=f"{bot.pk} {place.chat_id}", rate="PERSONALQ_RATE_TELEGRAM_CODE")
    except RateLimited:
        return False
    return True


def _press(bot: TelegramBot, press: Press) -> Done:
    link = links.find(bot, press.place)
    if link is None:
        return _stranger(bot, press.place)
    replies.notice(bot, press.callback_id, deeds.press(link, press.data))
    return Done(Outcome.DONE, press.data.partition(":")[0])


def _stranger(bot: TelegramBot, place: Place) -> Done:
    strangers.note(bot, place)
    return Done(Outcome.IGNORED, "stranger")
