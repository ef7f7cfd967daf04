"""Links between people in Telegram and accounts, and the codes that make them."""

from collections.abc import Callable
from typing import Any, ClassVar
from uuid import UUID

from django.views.decorators.debug import sensitive_variables
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from accounts.api.idempotent import IdempotentPost
from personalq.lib.openapi import conflict, no_content
from personalq.lib.pagination import PageParameters
from personalq.lib.queries import ListQuery
from tasks.api.references import agent_to_use, queue_to_use
from webhooks import access
from webhooks.api import bot_forms as forms
from webhooks.api.base import READ_LIMIT, WRITE_LIMIT, ApiView, Deed, ObjectView, read_body
from webhooks.api.bot_views import TAGS, OneBotView
from webhooks.models import TelegramBot, TelegramLink
from webhooks.telegram import links


class LinkCodes(IdempotentPost, ObjectView[TelegramBot]):
    """Codes that link whoever sends them to a bot."""

    rate_limits: ClassVar = {"POST": WRITE_LIMIT}
    answer_holds_secret: ClassVar[bool] = True

    def fetch(self, uuid: UUID, deed: Deed) -> TelegramBot:  # noqa: ARG002 - as its parent
        return access.bot_to_link(self.user, uuid)

    def find(self, deed: Deed) -> TelegramBot:
        # Who may link an account need not be the bot's owner.
        return self.fetch(self.kwargs["uuid"], deed)

    @extend_schema(
        operation_id="create_telegram_link_code",
        summary="Make a code that links a chat to your account",
        description="It is good once and for ten minutes, and ends an earlier one of yours for this bot.",
        tags=TAGS,
        request=forms.LinkCodeForm,
        responses={
            201: forms.LinkCode,
            **conflict("`idempotency_key_used`: the code was made before and cannot be shown again."),
        },
    )
    @sensitive_variables()
    def post(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        bot = self.find("change")
        agent = agent_to_use(self.user, read_body(forms.LinkCodeForm, request)["agent"])
        new = links.make_code(actor=self.user, bot=bot, agent=agent)
        body = {"code": new.text, "url": new.url, "agent": agent.uuid, "expires_at": new.row.expires_at}
        return Response(body, status=201)


class BotLinks(OneBotView):
    """The links of one bot."""

    query_class = ListQuery

    @extend_schema(
        operation_id="list_links_of_telegram_bot",
        summary="List who is linked to your bot",
        tags=TAGS,
        parameters=[PageParameters],
        responses={200: forms.TelegramLinkPage},
    )
    def get(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        rows = access.links_of_bot(self.find("view"))
        return self.page(_with_names(rows), link_row(request))


class LinkList(ApiView):
    """Your links to Telegram."""

    query_class = ListQuery

    @extend_schema(
        operation_id="list_telegram_links",
        summary="List your links to Telegram",
        tags=TAGS,
        parameters=[PageParameters],
        responses={200: forms.TelegramLinkPage},
    )
    def get(self, request: Request) -> Response:
        return self.page(_with_names(access.links_of(self.user)), link_row(request))


class OneLink(ObjectView[TelegramLink]):
    """One link to Telegram."""

    rate_limits: ClassVar = {"GET": READ_LIMIT, "HEAD": READ_LIMIT, "PATCH": WRITE_LIMIT, "DELETE": WRITE_LIMIT}

    def fetch(self, uuid: UUID, deed: Deed) -> TelegramLink:
        return access.link_for(self.user, uuid, deed)

    @extend_schema(
        operation_id="get_telegram_link",
        summary="Read a link to Telegram",
        tags=TAGS,
        responses={200: forms.TelegramLink},
    )
    def get(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        return Response(link_row(request)(self.find("view")))

    @extend_schema(
        operation_id="change_telegram_link",
        summary="Choose another agent or queue for a link, or spoken answers",
        tags=TAGS,
        request=forms.LinkChangesForm,
        responses={200: forms.TelegramLink, **conflict("`conflict`: the agent was deleted meanwhile.")},
    )
    def patch(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        link, changes = self.find("change"), read_body(forms.LinkChangesForm, request)
        if "agent" in changes:
            changes["agent"] = agent_to_use(self.user, changes["agent"])
        if changes.get("queue") is not None:
            changes["queue"] = queue_to_use(self.user, changes["queue"])
        return Response(link_row(request)(links.change(actor=self.user, link=link, **changes)))

    @extend_schema(
        operation_id="delete_telegram_link",
        summary="End a link to Telegram",
        description="Its tasks go on; nothing more is told of them there.",
        tags=TAGS,
        responses=no_content("The link is ended."),
    )
    def delete(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        links.unlink(actor=self.user, link=self.find("change"))
        return Response(status=204)


def link_row(request: Request) -> Callable[[TelegramLink], dict[str, Any]]:
    """A link as clients see it."""
    base = reverse("api-telegram-links", request=request)

    def represent(link: TelegramLink) -> dict[str, Any]:
        return {
            "uuid": link.uuid,
            "bot": link.bot.uuid,
            "username": link.bot.username,
            "chat_title": link.chat_title,
            "account": link.owner.get_username(),
            "agent": link.agent.name,
            "queue": link.queue.name if link.queue else None,
            "wants_speech": link.wants_speech,
            "linked_at": link.linked_at,
            "url": f"{base}/{link.uuid}",
        }

    return represent


def _with_names(rows: Any) -> Any:
    return rows.select_related("bot", "owner", "agent", "queue")
