"""Links between people in Telegram and accounts: making a code, which is shown once, changing and ending them."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_variables

from personalq.lib.errors import AppError, InvalidInput
from realtime.forms.telegram import LinkCodeForm, LinkForm
from realtime.views.answers import limit_person, posted, show_form
from realtime.views.doors import page, person
from realtime.views.queries import NothingAsked
from realtime.views.telegram_bots import SECTION, WRITE_LIMIT
from webhooks import access
from webhooks.models import TelegramBot, TelegramLink
from webhooks.telegram import links


@page("GET", "POST")
@sensitive_variables()
def make_code(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Asks for the agent, then shows the code: this one time, and without an address to come back to."""
    NothingAsked.read(request)
    user = person(request)
    bot = access.bot_to_link(user, uuid)
    form = LinkCodeForm(user, posted(request))
    made = _make(request, form, bot) if request.method == "POST" else None
    if isinstance(made, links.NewCode):
        context = {"bot": bot, "code": made.text, "link": made.url, "expires_at": made.row.expires_at}
        return render(request, "pages/telegram_code.html", {**SECTION, **context})
    return show_form(request, "pages/telegram_link_new.html", {**SECTION, "form": form, "bot": bot}, refusal=made)


@page("GET", "POST")
def edit(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Agent, queue and speech."""
    NothingAsked.read(request)
    link = access.link_for(person(request), uuid, "change")
    initial = {
        "agent": link.agent.uuid,
        "queue": link.queue.uuid if link.queue else None,
        "wants_speech": link.wants_speech,
    }
    form = LinkForm(link.owner, posted(request), initial=initial)
    refusal = _change(request, form, link) if request.method == "POST" else None
    if request.method == "POST" and refusal is None:
        messages.success(request, "The link is saved.")
        return redirect("telegram")
    return show_form(request, "pages/telegram_link.html", {**SECTION, "form": form, "link": link}, refusal=refusal)


@page("GET", "POST")
def end(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Asks whether that is meant, then ends it."""
    NothingAsked.read(request)
    user = person(request)
    link = access.link_for(user, uuid, "change")
    if request.method != "POST":
        return render(request, "pages/telegram_link_end.html", {**SECTION, "link": link})
    limit_person(request, WRITE_LIMIT)
    links.unlink(actor=user, link=link)
    messages.success(request, "The link is ended.")
    return redirect("telegram")


@sensitive_variables()
def _make(request: HttpRequest, form: LinkCodeForm, bot: TelegramBot) -> links.NewCode | AppError:
    try:
        limit_person(request, WRITE_LIMIT)
        if not form.is_valid():
            return InvalidInput()
        return links.make_code(actor=person(request), bot=bot, agent=form.cleaned_data["agent"])
    except AppError as refusal:
        form.take(refusal)
        return refusal


def _change(request: HttpRequest, form: LinkForm, link: TelegramLink) -> AppError | None:
    try:
        limit_person(request, WRITE_LIMIT)
        if not form.is_valid():
            return InvalidInput()
        changes: dict[str, Any] = form.cleaned_data
        links.change(actor=person(request), link=link, **changes)
    except AppError as refusal:
        form.take(refusal)
        return refusal
    return None
