"""Telegram bots: list, create, read, change, delete, and where Telegram posts their updates.

Telegram is asked before or after the transaction of a request, never in it.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, ClassVar
from uuid import UUID

from django.views.decorators.debug import sensitive_variables
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from accounts import credential_access
from accounts.api.idempotent import IdempotentPost
from accounts.models import Credential, User
from personalq.lib.openapi import conflict, no_content
from personalq.lib.pagination import PageParameters
from personalq.lib.queries import ListQuery
from webhooks import access
from webhooks.api import bot_forms as forms
from webhooks.api.base import READ_LIMIT, WRITE_LIMIT, ApiView, Deed, ObjectView, created, read_body
from webhooks.models import TelegramBot
from webhooks.telegram import bots, webhook
from webhooks.telegram.webhook import Info

TAGS = ["telegram"]
_TAKEN = "`name_taken`: you have a door of this name. `bot_taken`: the bot is kept here already."
_OF_TELEGRAM = (
    "`https_address_needed`: the operator has to set PERSONALQ_PUBLIC_URL. `telegram_refused`: Telegram does not do "
    "it. `bot_token_unreadable`, `door_secret_unreadable`: enter the token again, or rotate the secret."
)


class BotList(IdempotentPost, ApiView):
    """Your Telegram bots."""

    query_class = ListQuery
    rate_limits: ClassVar = {"GET": READ_LIMIT, "HEAD": READ_LIMIT, "POST": WRITE_LIMIT}
    _wanted: dict[str, Any]

    @sensitive_variables()
    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if request.method == "POST":
            # Before the transaction that an Idempotency-Key begins.
            self._wanted = _with_identity(read_body(forms.BotForm, request))

    @extend_schema(
        operation_id="list_telegram_bots",
        summary="List your Telegram bots",
        tags=TAGS,
        parameters=[PageParameters],
        responses={200: forms.TelegramBotPage},
    )
    def get(self, request: Request) -> Response:
        rows = access.bots_of(self.user).select_related("door__owner", "speech_credential")
        return self.page(rows, bot_row(request))

    @extend_schema(
        operation_id="create_telegram_bot",
        summary="Keep a Telegram bot",
        description="Telegram is asked whose token it is. Then set the webhook, and make a code to link an account.",
        tags=TAGS,
        request=forms.BotForm,
        responses={
            201: forms.TelegramBot,
            **conflict(f"{_TAKEN} `quota_reached`: you own as many doors as you may."),
        },
    )
    @sensitive_variables()
    def post(self, request: Request) -> Response:
        wanted = _with_credential(self.user, self._wanted)
        return created(bot_row(request)(bots.create(actor=self.user, **wanted)))


class SharedBotList(ApiView):
    """Bots of others to which you may link your account."""

    query_class = ListQuery

    @extend_schema(
        operation_id="list_shared_telegram_bots",
        summary="List the Telegram bots that are shared",
        tags=TAGS,
        parameters=[PageParameters],
        responses={200: forms.SharedBotPage},
    )
    def get(self, request: Request) -> Response:  # noqa: ARG002 - a view's signature
        return self.page(access.shared_bots().select_related("door__owner"), _shared_row)


class OneBotView(ObjectView[TelegramBot]):
    """What all routes about one bot share."""

    def fetch(self, uuid: UUID, deed: Deed) -> TelegramBot:
        return access.bot_for(self.user, uuid, deed)


class OneBot(OneBotView):
    """One Telegram bot."""

    rate_limits: ClassVar = {"GET": READ_LIMIT, "HEAD": READ_LIMIT, "PATCH": WRITE_LIMIT, "DELETE": WRITE_LIMIT}

    @extend_schema(
        operation_id="get_telegram_bot",
        summary="Read a Telegram bot",
        tags=TAGS,
        responses={200: forms.TelegramBot},
    )
    def get(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        return Response(bot_row(request)(self.find("view")))

    @extend_schema(
        operation_id="change_telegram_bot",
        summary="Change a Telegram bot",
        description="What is not sent stays. A new token has to be the same bot's.",
        tags=TAGS,
        request=forms.BotChangesForm,
        responses={200: forms.TelegramBot, **conflict(_TAKEN)},
    )
    @sensitive_variables()
    def patch(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        bot = self.find("change")
        changes = _with_identity(read_body(forms.BotChangesForm, request))
        changes = _with_credential(self.user, changes)
        return Response(bot_row(request)(bots.change(actor=self.user, bot=bot, **changes)))

    @extend_schema(
        operation_id="delete_telegram_bot",
        summary="Delete a Telegram bot",
        description="Its links go with it; tasks stay. Remove the webhook first, or Telegram goes on posting in vain.",
        tags=TAGS,
        responses=no_content("The bot is deleted."),
    )
    def delete(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        bots.delete(actor=self.user, bot=self.find("change"))
        return Response(status=204)


class BotWebhook(OneBotView):
    """Where Telegram posts a bot's updates."""

    http_method_names: Any = ("get", "put", "delete", "head")
    rate_limits: ClassVar = dict.fromkeys(("GET", "HEAD", "PUT", "DELETE"), WRITE_LIMIT)

    @extend_schema(
        operation_id="get_telegram_webhook",
        summary="Ask Telegram about a bot's webhook",
        tags=TAGS,
        responses={200: forms.TelegramWebhook, **conflict("`bot_token_unreadable`: enter the token again.")},
    )
    def get(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        return Response(info_row(webhook.read(self.find("change"))))

    @extend_schema(
        operation_id="set_telegram_webhook",
        summary="Let Telegram post a bot's updates here",
        description="The address is always the bot's own door at PERSONALQ_PUBLIC_URL, with the door's present secret.",
        tags=TAGS,
        request=forms.WebhookForm,
        responses={200: forms.TelegramWebhook, **conflict(_OF_TELEGRAM)},
    )
    def put(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        bot = self.find("change")
        return Response(info_row(webhook.put(actor=self.user, bot=bot, **read_body(forms.WebhookForm, request))))

    @extend_schema(
        operation_id="delete_telegram_webhook",
        summary="Let Telegram post a bot's updates nowhere",
        tags=TAGS,
        responses={
            **no_content("The webhook is removed."),
            **conflict("`bot_token_unreadable`: enter the token again. `telegram_refused`: Telegram does not do it."),
        },
    )
    def delete(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        webhook.remove(actor=self.user, bot=self.find("change"))
        return Response(status=204)


class RotateBot(OneBotView):
    """A new secret for a bot's door."""

    rate_limits: ClassVar = {"POST": WRITE_LIMIT}

    @extend_schema(
        operation_id="rotate_telegram_bot",
        summary="Give a bot's door a new secret and tell it to Telegram",
        description="Nobody has to see it. The one before counts for `keep_old_seconds` more.",
        tags=TAGS,
        request=forms.BotRotationForm,
        responses={200: forms.TelegramWebhook, **conflict(_OF_TELEGRAM)},
    )
    def post(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        bot = self.find("change")
        return Response(info_row(webhook.rotate(actor=self.user, bot=bot, **read_body(forms.BotRotationForm, request))))


def bot_row(request: Request) -> Callable[[TelegramBot], dict[str, Any]]:
    """A bot as clients see it."""
    base = reverse("api-telegram-bots", request=request)

    def represent(bot: TelegramBot) -> dict[str, Any]:
        return {
            "uuid": bot.uuid,
            "name": bot.door.name,
            "username": bot.username,
            "is_shared": bot.is_shared,
            "is_open": bot.door.is_open,
            "speech_credential": bot.speech_credential.uuid if bot.speech_credential else None,
            "voice": bot.voice,
            "webhook_set_at": bot.webhook_set_at,
            "held_until_at": bot.held_until_at,
            "door": bot.door.uuid,
            "owner": bot.door.owner.get_username(),
            "created_at": bot.created_at,
            "updated_at": bot.updated_at,
            "url": f"{base}/{bot.uuid}",
        }

    return represent


def info_row(info: Info) -> dict[str, Any]:
    """What Telegram says, as clients see it."""
    row = asdict(info)
    return {**row, "webhook_url": row.pop("url")}


def _shared_row(bot: TelegramBot) -> dict[str, Any]:
    return {"uuid": bot.uuid, "username": bot.username, "owner": bot.door.owner.get_username()}


@sensitive_variables()
def _with_identity(wanted: dict[str, Any]) -> dict[str, Any]:
    """The members of a form, with whom its token belongs to in the place of the token."""
    if "token" not in wanted:
        return wanted
    return {
        **{name: one for name, one in wanted.items() if name != "token"},
        "identity": bots.identify(wanted["token"]),
    }


def _with_credential(actor: User, wanted: dict[str, Any]) -> dict[str, Any]:
    """The same with the credential itself."""
    named = wanted.get("speech_credential")
    found: Credential | None = None
    if named is not None:
        found = credential_access.credential_for(actor, named, "change")
    return {**wanted, "speech_credential": found} if "speech_credential" in wanted else wanted
