"""One door: what is known of it, what it let in, and what a sample would come to."""

from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from personalq.lib.errors import AppError, InvalidInput
from realtime.forms.doors import SampleForm
from realtime.views.answers import Limit, limit_person, posted, show_form
from realtime.views.door_list import SECTION, WRITE_LIMIT
from realtime.views.doors import page, person
from realtime.views.queries import NothingAsked
from tasks.lifecycle import APPROVAL_REASONS
from webhooks import access
from webhooks.doors import intake, keeping
from webhooks.inbound import sampling
from webhooks.models import Door, DoorKind, DoorSecret, InboundRequest

SHOWN_REQUESTS: Final = 20
_PREVIEW_LIMIT: Final = Limit(group="read", rate="PERSONALQ_RATE_READ")
VERBS: Final = {"open": (keeping.reopen, "is open"), "close": (keeping.close, "is closed: it lets nothing in")}
_OUTCOMES: Final = {
    "ready": "A task would come of it and run when its turn comes.",
    "held": "A task would come of it and wait for your approval.",
    "refused": "It would be refused: the text looks like an attempt to take the agent over.",
    "ignored": "No task would come of it.",
}
_REASONS: Final = {
    **APPROVAL_REASONS,
    intake.NOTHING_TO_SAY: "The template makes nothing of this payload.",
    "ping": "With this event a sender asks only whether the door is there.",
    "audio": "It holds a recording and no words.",
}


@page("GET")
def show(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """What is known of a door, and what it has let in lately."""
    NothingAsked.read(request)
    user = person(request)
    door = access.door_for(user, uuid)
    requests = InboundRequest.objects.filter(door=door).select_related("task")[:SHOWN_REQUESTS]
    context = {
        **_facts_of(door),
        "may_change": access.may(user, door, "change"),
        "secrets": DoorSecret.objects.valid().filter(door=door),
        "requests": requests,
    }
    return render(request, "pages/door.html", context)


@page("GET", "POST")
def try_out(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """What a sample payload would come to. Nothing is written."""
    NothingAsked.read(request)
    door = access.door_for(person(request), uuid)
    if door.kind not in keeping.TEMPLATED:
        raise keeping.NoTemplate
    form = SampleForm(posted(request))
    found = _expect(request, door, form) if request.method == "POST" else None
    context = {**_facts_of(door), "form": form}
    if isinstance(found, intake.Expected):
        context |= {"expected": found, "words": _OUTCOMES[found.outcome], "why": _REASONS.get(found.reason, "")}
    refusal = found if isinstance(found, AppError) else None
    return show_form(request, "pages/door_test.html", context, refusal=refusal)


@page("POST")
def act(request: HttpRequest, uuid: UUID, *, verb: str) -> HttpResponse:
    """Open or close a door."""
    user = person(request)
    door = access.door_for(user, uuid, "change")
    limit_person(request, WRITE_LIMIT)
    deed, words = VERBS[verb]
    deed(actor=user, door=door)
    messages.success(request, f"The door {door.name} {words}.")
    return redirect("door", uuid=uuid)


def _expect(request: HttpRequest, door: Door, form: SampleForm) -> intake.Expected | AppError:
    if not form.is_valid():
        return InvalidInput()
    try:
        limit_person(request, _PREVIEW_LIMIT)
        return sampling.expect(door, **form.cleaned_data)
    except AppError as refusal:
        form.take(refusal)
        return refusal


def _facts_of(door: Door) -> dict[str, Any]:
    return {
        **SECTION,
        "door": door,
        "address": keeping.address_of(door),
        "has_template": door.kind in keeping.TEMPLATED,
        "is_signed": door.kind == DoorKind.HMAC,
    }
