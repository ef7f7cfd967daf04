"""Making, changing and deleting bots. Callers find a bot through `webhooks.access` first.

Telegram is asked outside of transactions: `identify` before anything is written, the webhook afterwards.
"""

import logging
import re
from dataclasses import dataclass, field
from typing import Final, TypedDict, Unpack

from django.db import transaction
from django.views.decorators.debug import sensitive_variables

from accounts import audit
from accounts.models import Credential, Provider, User
from accounts.models.audit_event import Outcome
from accounts.refusals import not_yours
from personalq.lib.constraints import conflicts
from personalq.lib.errors import AppError, Conflict, InvalidInput, NotFound, RateLimited, Unavailable
from webhooks.doors import keeping
from webhooks.models import DoorKind, TelegramBot
from webhooks.models.telegram import USERNAME_LENGTH
from webhooks.telegram import client, tokens
from webhooks.telegram.client import CallFailed, Flooded, Refused
from webhooks.voice.speech import VOICE_FORM

NOUN: Final = "telegram_bot"
_UNKNOWN_TOKEN: Final = frozenset({401, 404})

_logger = logging.getLogger(__name__)


class BotTaken(Conflict):
    """A bot is kept once: two doors would take each other's updates away."""

    code = "bot_taken"
    title = "This bot is kept here already."
    advice = "Use the bot that is there, ask its owner to share it, or make another one with BotFather."


class TelegramRefused(Conflict):
    """Telegram does not do what was asked for."""

    code = "telegram_refused"
    title = "Telegram refused the request."
    advice = "Check with BotFather that the bot exists, and that our address can be reached from outside."


class TelegramUnavailable(Unavailable):
    """Telegram cannot be reached, or has too much to do."""

    code = "telegram_unavailable"
    title = "Telegram cannot be reached at the moment."
    advice = "Try again in a few seconds. If it goes on, ask the operator to check PERSONALQ_TELEGRAM_URL."


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Whom a token belongs to, as Telegram says."""

    telegram_id: int
    username: str
    token: str = field(repr=False)


class BotChanges(TypedDict, total=False):
    """What can be changed; what is left out stays. `identity` brings a new token of the same bot."""

    name: str
    identity: Identity
    is_shared: bool
    speech_credential: Credential | None
    voice: str


@sensitive_variables()
def identify(token: object) -> Identity:
    """Ask Telegram whose token this is. Raises InvalidInput naming `token`, RateLimited or TelegramUnavailable."""
    plain = tokens.checked(token)
    try:
        me = client.call(plain, "getMe")
    except Refused as refusal:
        if refusal.status not in _UNKNOWN_TOKEN:
            raise told(refusal) from None
        raise _unknown_token() from None
    except CallFailed as failure:
        raise told(failure) from None
    if not isinstance(me, dict) or me.get("is_bot") is not True or type(me.get("id")) is not int:
        raise _unknown_token()
    username = me.get("username")
    if not isinstance(username, str) or not 0 < len(username) <= USERNAME_LENGTH:
        raise _unknown_token()
    return Identity(telegram_id=me["id"], username=username, token=plain)


@sensitive_variables()
def create(
    *,
    actor: User,
    identity: Identity,
    name: str,
    is_shared: bool = False,
    speech_credential: Credential | None = None,
    voice: str = "",
) -> TelegramBot:
    """Keep a bot of `actor` with a door of its own. Telegram learns of the door by `webhook.put`.

    Raises BotTaken, NameTaken, QuotaReached, and ValidationError or InvalidInput naming the field.
    """
    _check_speech(actor, actor, speech_credential, voice)
    with conflicts(taken=BotTaken()), transaction.atomic():
        if TelegramBot.objects.filter(telegram_id=identity.telegram_id).exists():
            raise BotTaken
        made = keeping.create(actor=actor, name=name, kind=DoorKind.TELEGRAM)
        bot = TelegramBot(
            door=made.door,
            telegram_id=identity.telegram_id,
            username=identity.username,
            is_shared=is_shared,
            speech_credential=speech_credential,
            voice=voice,
        )
        tokens.put(bot, identity.token)
        bot.save()
        _record("made", bot, actor)
    return bot


@sensitive_variables()
def change(*, actor: User, bot: TelegramBot, **changes: Unpack[BotChanges]) -> TelegramBot:
    """Rename a bot, share it, give it a new token or another voice. Raises as `create`, and NotFound."""
    owner = bot.door.owner
    with transaction.atomic():
        rows = TelegramBot.objects.select_for_update(no_key=True, of=("self",)).select_related("door__owner")
        current = rows.filter(pk=bot.pk).first()
        if current is None:
            raise NotFound
        if "name" in changes:
            current.door = keeping.change(actor=actor, door=current.door, name=changes["name"])
        if "identity" in changes:
            _replace_token(current, changes["identity"])
        for name in ("is_shared", "speech_credential", "voice"):
            setattr(current, name, changes.get(name, getattr(current, name)))
        _check_speech(actor, owner, current.speech_credential, current.voice)
        current.save()
        _record("changed", current, actor)
    return current


def delete(*, actor: User, bot: TelegramBot) -> None:
    """Forget a bot with its door, its links and what was still to be said. Tasks go on."""
    with transaction.atomic():
        _record("deleted", bot, actor)
        keeping.delete(actor=actor, door=bot.door)


def told(failure: CallFailed) -> AppError:
    """What people are told about a call that failed. Telegram's own words are left out."""
    if isinstance(failure, Flooded):
        return RateLimited(
            "Telegram takes no more requests for a while. Wait for the number of seconds in Retry-After.",
            retry_after_seconds=failure.retry_after_seconds,
        )
    if isinstance(failure, Refused):
        return _unknown_token() if failure.status in _UNKNOWN_TOKEN else TelegramRefused()
    return TelegramUnavailable()


def _replace_token(bot: TelegramBot, identity: Identity) -> None:
    if identity.telegram_id != bot.telegram_id:
        raise InvalidInput.for_field("token", "other_bot", "This token is another bot's. Make a new bot with it.")
    bot.username, bot.held_until_at = identity.username, None
    tokens.put(bot, identity.token)


def _check_speech(actor: User, owner: User, credential: Credential | None, voice: str) -> None:
    if credential is not None and credential.owner_id != owner.pk:
        raise not_yours(actor, credential)
    if credential is not None and credential.provider != Provider.ELEVENLABS:
        raise InvalidInput.for_field("speech_credential", "wrong_provider", "Use a credential of ElevenLabs.")
    if voice and not re.fullmatch(VOICE_FORM, voice):
        raise InvalidInput.for_field("voice", "invalid", "Send the id of an ElevenLabs voice.")


def _unknown_token() -> InvalidInput:
    return InvalidInput.for_field("token", "refused", "Telegram knows no bot of this token. Ask BotFather for it.")


def _record(deed: str, bot: TelegramBot, actor: User) -> None:
    about = (NOUN, bot.uuid)
    audit.record(f"telegram_bot.{deed}", Outcome.DONE, actor=actor, owner=bot.door.owner, about=about, bot=bot.username)
    _logger.info("the bot %s was %s by %s", bot.uuid, deed, actor.uuid)
