"""Telegram bots: the list, keeping, changing and deleting them, and where Telegram posts their updates."""

from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from accounts.models import User
from personalq.lib.errors import AppError, InvalidInput
from personalq.lib.translation import app_error_from
from realtime.forms.telegram import BotForm
from realtime.views.answers import Limit, limit_person, posted, show_form
from realtime.views.doors import page, person
from realtime.views.paging import page_of
from realtime.views.queries import NeighbourQuery, NothingAsked
from webhooks import access
from webhooks.models import TelegramBot
from webhooks.telegram import bots, webhook

PAGE_SIZE: Final = 24
MOST_SHOWN: Final = 50
OVERLAP_SECONDS: Final = 3600
SECTION: Final = {"section": "telegram"}
WRITE_LIMIT: Final = Limit(group="door-change", rate="PERSONALQ_RATE_DOOR_CHANGE")


@page("GET")
def show_list(request: HttpRequest) -> HttpResponse:
    """The user's bots and links, and the bots of others that are shared."""
    wanted = NeighbourQuery.read(request)
    user = person(request)
    own = access.bots_of(user).select_related("door")
    found = page_of(own, among=own, size=PAGE_SIZE, before=wanted.get("before"), after=wanted.get("after"))
    shared = access.shared_bots().exclude(door__owner=user).select_related("door__owner")[:MOST_SHOWN]
    links = access.links_of(user).select_related("bot", "agent", "queue")[:MOST_SHOWN]
    return render(request, "pages/telegram.html", {**SECTION, "page": found, "shared": shared, "links": links})


@sensitive_post_parameters("token")
@page("GET", "POST")
def new(request: HttpRequest) -> HttpResponse:
    """The form or, once it is sent and good, the page of the bot."""
    NothingAsked.read(request)
    form = BotForm(person(request), posted(request), is_new=True)
    made = _save(request, form, None) if request.method == "POST" else None
    if isinstance(made, TelegramBot):
        messages.success(request, f"@{made.username} is kept. Now tell Telegram where to send what people write.")
        return redirect("telegram-bot", uuid=made.uuid)
    return show_form(request, "pages/telegram_bot_new.html", {**SECTION, "form": form}, refusal=made)


@page("GET")
def show(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """What is known of a bot, and who is linked to it."""
    NothingAsked.read(request)
    user = person(request)
    bot = access.bot_for(user, uuid)
    links = access.links_of_bot(bot).select_related("owner", "agent")[:MOST_SHOWN]
    context = {"bot": bot, "links": links, "may_change": access.may(user, bot, "change")}
    return render(request, "pages/telegram_bot.html", {**SECTION, **context, "is_own": bot.door.owner_id == user.pk})


@sensitive_post_parameters("token")
@page("GET", "POST")
def edit(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Name, token, voice and whether it is shared."""
    NothingAsked.read(request)
    bot = access.bot_for(person(request), uuid, "change")
    key = bot.speech_credential.uuid if bot.speech_credential else None
    initial = {"name": bot.door.name, "is_shared": bot.is_shared, "speech_credential": key, "voice": bot.voice}
    form = BotForm(bot.door.owner, posted(request), is_new=False, initial=initial)
    made = _save(request, form, bot) if request.method == "POST" else None
    if isinstance(made, TelegramBot):
        messages.success(request, f"The bot {made.door.name} is saved.")
        return redirect("telegram-bot", uuid=uuid)
    return show_form(request, "pages/telegram_bot_edit.html", {**SECTION, "form": form, "bot": bot}, refusal=made)


@page("GET", "POST")
def delete(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Asks whether that is meant, then deletes."""
    NothingAsked.read(request)
    user = person(request)
    bot = access.bot_for(user, uuid, "change")
    if request.method != "POST":
        return render(request, "pages/telegram_bot_delete.html", {**SECTION, "bot": bot})
    limit_person(request, WRITE_LIMIT)
    bots.delete(actor=user, bot=bot)
    messages.success(request, f"The bot {bot.door.name} is deleted.")
    return redirect("telegram")


@page("POST")
def act(request: HttpRequest, uuid: UUID, verb: str) -> HttpResponse:
    """Tell Telegram; the page that follows says how it went."""
    user = person(request)
    limit_person(request, WRITE_LIMIT)
    bot = access.bot_for(user, uuid, "change")
    try:
        messages.success(request, VERBS[verb](user, bot))
    except AppError as refusal:
        words = " ".join(each.message for each in refusal.errors) or refusal.detail
        messages.error(request, f"{refusal.title} {words}")
    return redirect("telegram-bot", uuid=uuid)


def _set(user: User, bot: TelegramBot) -> str:
    webhook.put(actor=user, bot=bot)
    return "Telegram sends here what people write to the bot."


def _check(_: User, bot: TelegramBot) -> str:
    info = webhook.read(bot)
    if not info.is_set:
        return "Telegram sends it somewhere else." if info.leads_elsewhere else "Telegram sends it nowhere."
    waiting = f"{info.pending_update_count} wait there."
    return f"Telegram sends it here. {waiting} {info.last_error}".strip()


def _remove(user: User, bot: TelegramBot) -> str:
    webhook.remove(actor=user, bot=bot)
    return "Telegram sends nothing here any more."


def _rotate(user: User, bot: TelegramBot) -> str:
    webhook.rotate(actor=user, bot=bot, keep_old_seconds=OVERLAP_SECONDS)
    return "Telegram has a new secret. The one before counts for one more hour."


VERBS: Final[Mapping[str, Callable[[User, TelegramBot], str]]] = {
    "set-webhook": _set,
    "check-webhook": _check,
    "remove-webhook": _remove,
    "rotate": _rotate,
}


@sensitive_variables()
def _save(request: HttpRequest, form: BotForm, bot: TelegramBot | None) -> TelegramBot | AppError:
    try:
        limit_person(request, WRITE_LIMIT)
        if not form.is_valid():
            return InvalidInput()
        values: dict[str, Any] = dict(form.cleaned_data)
        if token := values.pop("token"):
            values["identity"] = bots.identify(token)
        if bot is None:
            return bots.create(actor=person(request), **values)
        return bots.change(actor=person(request), bot=bot, **values)
    except (AppError, ValidationError) as error:
        refusal = app_error_from(error) or AppError()
        form.take(refusal)
        return refusal
