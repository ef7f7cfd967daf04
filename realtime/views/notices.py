"""What people are told by e-mail, and the link by which they end that."""

from typing import Final

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.forms import model_to_dict
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.csrf import csrf_exempt

from personalq.lib.errors import AppError, MethodNotAllowed
from personalq.lib.rate_limits import limit_address
from realtime.forms.notices import NoticeForm
from realtime.views.answers import Limit, limit_person, posted, show_form, wrong_values
from realtime.views.doors import page, person
from realtime.views.queries import NothingAsked
from webhooks.notices import choices, links

_LIMIT: Final = Limit(group="door-change", rate="PERSONALQ_RATE_DOOR_CHANGE")


@page("GET", "POST")
def show(request: HttpRequest) -> HttpResponse:
    """The choice, as a form."""
    NothingAsked.read(request)
    user = person(request)
    form = NoticeForm(posted(request), initial=model_to_dict(choices.read(user)))
    refusal = _save(request, form) if request.method == "POST" else None
    if request.method == "POST" and refusal is None:
        messages.success(request, "Your choice is saved.")
        return redirect("notices")
    context = {"section": "notices", "form": form, "is_on": settings.PERSONALQ_EMAIL_IS_ON}
    return show_form(request, "pages/notices.html", context, refusal=refusal)


@csrf_exempt
def turn_off(request: HttpRequest) -> HttpResponse:
    """End all notices of whom a link was sent to. Mail programs post here without anybody seeing a page."""
    if request.method not in {"GET", "HEAD", "POST"}:
        raise MethodNotAllowed(headers={"Allow": "GET, HEAD, POST"})
    limit_address(request, group="notices-off", rate="PERSONALQ_RATE_NOTICES_OFF")
    choice = links.find(request.GET.get("token", ""))
    if choice is None:
        return render(request, "pages/notices_off.html", {"state": "unknown"}, status=404)
    if request.method == "POST":
        choices.turn_off(choice)
    return render(request, "pages/notices_off.html", {"state": "off" if request.method == "POST" else "ask"})


def _save(request: HttpRequest, form: NoticeForm) -> AppError | None:
    try:
        limit_person(request, _LIMIT)
        if not form.is_valid():
            return wrong_values(form)
        choices.change(actor=person(request), **form.cleaned_data)
    except AppError as refusal:
        form.take(refusal)
        return refusal
    except ValidationError as error:
        form.add_error(None, error)
        return wrong_values(form)
    return None
