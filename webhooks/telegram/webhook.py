"""Where Telegram posts a bot's updates: set, shown and taken back. The address is always our own."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.db.models import F
from django.db.models.functions import Now
from django.views.decorators.debug import sensitive_variables

from accounts import audit
from accounts.models import User
from accounts.models.audit_event import Outcome
from personalq.lib import redaction
from personalq.lib.errors import AppError, Conflict
from webhooks.doors import secrets
from webhooks.models import TelegramBot
from webhooks.telegram import bots, client, messages, tokens
from webhooks.telegram.client import CallFailed
from webhooks.telegram.updates import ALLOWED_UPDATES

PORTS: Final = frozenset({443, 80, 88, 8443})
"""To which Telegram posts."""
LONGEST_ERROR: Final = 300
MOST_RENEWED: Final = 3

_logger = logging.getLogger(__name__)


class NoPublicAddress(Conflict):
    """Telegram would not reach us, or not safely."""

    code = "https_address_needed"
    title = "Telegram posts to https addresses only."
    advice = (
        "Ask the operator to set PERSONALQ_PUBLIC_URL to an address such as https://q.example.org that can be reached "
        "from outside by port 443, 80, 88 or 8443."
    )


class DoorSecretUnreadable(Conflict):
    """The door has no secret that could be shown to Telegram."""

    code = "door_secret_unreadable"
    title = "The door's secret cannot be read."
    advice = "Rotate it: that makes a new one and tells it to Telegram."


@dataclass(frozen=True, kw_only=True)
class Info:
    """What Telegram says about the webhook of a bot."""

    is_set: bool
    """Whether it leads to this bot's door."""
    leads_elsewhere: bool
    """Whether it leads to another address, which may hold a secret and is not shown."""
    url: str
    """Our own address of the door."""
    pending_update_count: int
    last_error_at: datetime | None
    last_error: str
    allowed_updates: list[str]
    max_connections: int | None


def address_of(bot: TelegramBot) -> str:
    """The address of the bot's door. Raises NoPublicAddress."""
    origin = urlsplit(settings.PERSONALQ_PUBLIC_URL)
    if origin.scheme != "https" or (origin.port or 443) not in PORTS:
        raise NoPublicAddress
    return f"{settings.PERSONALQ_PUBLIC_URL}/webhooks/telegram/{bot.door.uuid}"


@sensitive_variables()
def put(*, actor: User | None, bot: TelegramBot, drop_pending_updates: bool = False) -> Info:
    """Let Telegram post to the bot's door with the door's present secret; returns what Telegram then says.

    Raises NoPublicAddress, DoorSecretUnreadable, TokenUnreadable, and what `bots.told` makes of Telegram's errors.
    """
    url, token = address_of(bot), tokens.reveal(bot)
    secret = next(iter(secrets.valid_secrets(bot.door)), "")
    if not secret:
        raise DoorSecretUnreadable
    with redaction.knows(secret):
        wanted = {"url": url, "secret_token": secret, "allowed_updates": list(ALLOWED_UPDATES)}
        _call(token, "setWebhook", {**wanted, "drop_pending_updates": drop_pending_updates})
    TelegramBot.objects.filter(pk=bot.pk).update(webhook_set_at=Now())
    _record("webhook_set", bot, actor)
    return read(bot)


@sensitive_variables()
def read(bot: TelegramBot) -> Info:
    """What Telegram says. Raises as `put`, but for the address."""
    found = _call(tokens.reveal(bot), "getWebhookInfo", {})
    return _info(bot, found if isinstance(found, dict) else {})


@sensitive_variables()
def remove(*, actor: User, bot: TelegramBot, drop_pending_updates: bool = False) -> None:
    """Let Telegram post nowhere. Raises as `read`."""
    _call(tokens.reveal(bot), "deleteWebhook", {"drop_pending_updates": drop_pending_updates})
    TelegramBot.objects.filter(pk=bot.pk).update(webhook_set_at=None)
    _record("webhook_removed", bot, actor)


def rotate(*, actor: User, bot: TelegramBot, keep_old_seconds: int) -> Info:
    """Give the door a new secret and tell it to Telegram; the one before counts for `keep_old_seconds` more.

    Raises as `put`. When Telegram could not be told the new secret is there all the same: `put` tells it.
    """
    address_of(bot)
    secrets.rotate(actor=actor, door=bot.door, keep_old_seconds=keep_old_seconds)
    return put(actor=actor, bot=bot)


def renew() -> None:
    """Tell Telegram the present secrets of doors that were given new ones elsewhere, or while it was away.

    A few at a time, by chance, so that none that cannot be told keeps the others waiting.
    """
    present = {"door__secrets__valid_until_at__isnull": True, "door__secrets__created_at__gt": F("webhook_set_at")}
    people = {"door__is_open": True, "door__owner__is_active": True}
    for bot in (
        TelegramBot.objects.filter(**present, **people).select_related("door__owner").order_by("?")[:MOST_RENEWED]
    ):
        try:
            put(actor=None, bot=bot)
        except AppError as refusal:
            _logger.warning("Telegram could not be told the new secret of the bot %s: %s.", bot.uuid, refusal.code)


@sensitive_variables()
def _call(token: str, method: str, payload: dict[str, Any]) -> Any:
    try:
        return client.call(token, method, payload)
    except CallFailed as failure:
        raise bots.told(failure) from None


def _info(bot: TelegramBot, found: dict[str, Any]) -> Info:
    ours, theirs = f"/webhooks/telegram/{bot.door.uuid}", found.get("url")
    is_set = isinstance(theirs, str) and theirs == f"{settings.PERSONALQ_PUBLIC_URL}{ours}"
    error, error_at = found.get("last_error_message"), found.get("last_error_date")
    allowed, connections = found.get("allowed_updates"), found.get("max_connections")
    pending = found.get("pending_update_count")
    return Info(
        is_set=is_set,
        leads_elsewhere=bool(theirs) and not is_set,
        url=f"{settings.PERSONALQ_PUBLIC_URL}{ours}",
        pending_update_count=pending if type(pending) is int and pending > 0 else 0,
        last_error_at=_time(error_at),
        last_error=redaction.redact(messages.sendable(error))[:LONGEST_ERROR] if isinstance(error, str) else "",
        allowed_updates=[one for one in allowed if one in ALLOWED_UPDATES] if isinstance(allowed, list) else [],
        max_connections=connections if type(connections) is int else None,
    )


def _time(value: object) -> datetime | None:
    if type(value) is not int:
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _record(deed: str, bot: TelegramBot, actor: User | None) -> None:
    audit.record(f"telegram_bot.{deed}", Outcome.DONE, actor=actor, owner=bot.door.owner, about=(bots.NOUN, bot.uuid))
