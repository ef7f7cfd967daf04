"""Doors: the list, making, changing, rotating and deleting them. A secret is shown once."""

from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from personalq.lib.errors import AppError, InvalidInput
from personalq.lib.translation import app_error_from
from realtime.forms.doors import DoorForm, DoorRotationForm, initial_of
from realtime.forms.fields import AnswerableForm
from realtime.views.answers import Limit, limit_person, posted, show_form
from realtime.views.doors import page, person
from realtime.views.paging import page_of
from realtime.views.queries import NeighbourQuery, NewDoorQuery, NothingAsked
from webhooks import access
from webhooks.doors import keeping
from webhooks.doors.keeping import NewDoor
from webhooks.models import Door, DoorKind

PAGE_SIZE: Final = 24
SECTION: Final = {"section": "doors"}
WRITE_LIMIT: Final = Limit(group="door-change", rate="PERSONALQ_RATE_DOOR_CHANGE")
DESCRIPTIONS: Final = {
    DoorKind.STANDARD: "For senders that follow Standard Webhooks. If you are free to choose, choose this.",
    DoorKind.GITHUB: "Pushes, issues, pull requests and whatever else a repository tells of.",
    DoorKind.GITLAB: "The same of GitLab, which sends the secret itself.",
    DoorKind.HMAC: "For senders that sign the body in a way of their own.",
    DoorKind.ELEVENLABS: "What was said in the calls of a voice agent, after each call.",
    DoorKind.AGENT_TOOLS: "Lets a voice agent add tasks and ask for them during a call.",
}

PLACES: Final = {
    DoorKind.GITHUB: "In the repository: Settings, Webhooks, content type application/json.",
    DoorKind.GITLAB: "In the project: Settings, Webhooks, field Secret token.",
    DoorKind.AGENT_TOOLS: "In ElevenLabs: a webhook tool of the agent, with the secret in the header X-EL-Secret.",
}
"""Where senders ask for the address and the secret."""


@page("GET")
def show_list(request: HttpRequest) -> HttpResponse:
    """A page of the user's doors."""
    wanted = NeighbourQuery.read(request)
    own = access.doors_of(person(request))
    rows = own.select_related("agent")
    found = page_of(rows, among=own, size=PAGE_SIZE, before=wanted.get("before"), after=wanted.get("after"))
    return render(request, "pages/door_list.html", {**SECTION, "page": found})


@sensitive_post_parameters("secret")
@page("GET", "POST")
@sensitive_variables()
def new(request: HttpRequest) -> HttpResponse:
    """First what comes in, then the form and, once it is good, the secret: this one time."""
    kind = NewDoorQuery.read(request).get("kind")
    if kind is None:
        kinds = [{"value": each.value, "label": each.label, "words": words} for each, words in DESCRIPTIONS.items()]
        return render(request, "pages/door_kinds.html", {**SECTION, "kinds": kinds})
    form = DoorForm(person(request), kind, posted(request), is_new=True)
    made = _make(request, kind, form) if request.method == "POST" else None
    if isinstance(made, NewDoor):
        return _show_secret(request, made.door, made.secret)
    context = {**SECTION, "form": form, "kind": DoorKind(kind).label}
    return show_form(request, "pages/door_new.html", context, refusal=made)


@page("GET", "POST")
def edit(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """What is made of what comes in."""
    NothingAsked.read(request)
    door = access.door_for(person(request), uuid, "change")
    form = DoorForm(door.owner, door.kind, posted(request), is_new=False, initial=initial_of(door))
    refusal = _change(request, form, door) if request.method == "POST" else None
    if request.method == "POST" and refusal is None:
        messages.success(request, f"The door {form.cleaned_data['name']} is saved.")
        return redirect("door", uuid=uuid)
    return show_form(request, "pages/door_edit.html", {**SECTION, "form": form, "door": door}, refusal=refusal)


@sensitive_post_parameters("secret")
@page("GET", "POST")
@sensitive_variables()
def rotate(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Asks how long the old secret is needed, then shows the new one this once."""
    NothingAsked.read(request)
    door = access.door_for(person(request), uuid, "change")
    form = DoorRotationForm(posted(request))
    made = _rotate(request, form, door) if request.method == "POST" else None
    if isinstance(made, str):
        return _show_secret(request, door, made)
    return show_form(request, "pages/door_rotate.html", {**SECTION, "form": form, "door": door}, refusal=made)


@page("GET", "POST")
def delete(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Asks whether that is meant, then deletes."""
    NothingAsked.read(request)
    user = person(request)
    door = access.door_for(user, uuid, "change")
    if request.method != "POST":
        return render(request, "pages/door_delete.html", {**SECTION, "door": door})
    limit_person(request, WRITE_LIMIT)
    keeping.delete(actor=user, door=door)
    messages.success(request, f"The door {door.name} is deleted.")
    return redirect("door-list")


@sensitive_variables()
def _show_secret(request: HttpRequest, door: Door, secret: str) -> HttpResponse:
    where = PLACES.get(DoorKind(door.kind), "")
    context = {**SECTION, "door": door, "text": secret, "address": keeping.address_of(door), "where": where}
    return render(request, "pages/door_secret.html", context)


@sensitive_variables()
def _make(request: HttpRequest, kind: str, form: DoorForm) -> NewDoor | AppError:
    try:
        limit_person(request, WRITE_LIMIT)
        if not form.is_valid():
            return InvalidInput()
        return keeping.create(actor=person(request), kind=kind, **form.cleaned_data)
    except (AppError, ValidationError) as error:
        return _taken(form, error)


def _change(request: HttpRequest, form: DoorForm, door: Door) -> AppError | None:
    values: Any = form.cleaned_data if form.is_valid() else None
    try:
        limit_person(request, WRITE_LIMIT)
        if values is None:
            return InvalidInput()
        keeping.change(actor=person(request), door=door, **values)
    except (AppError, ValidationError) as error:
        return _taken(form, error)
    return None


@sensitive_variables()
def _rotate(request: HttpRequest, form: DoorRotationForm, door: Door) -> str | AppError:
    try:
        limit_person(request, WRITE_LIMIT)
        if not form.is_valid():
            return InvalidInput()
        return keeping.rotate(actor=person(request), door=door, **form.cleaned_data)
    except AppError as error:
        return _taken(form, error)


def _taken(form: AnswerableForm, error: AppError | ValidationError) -> AppError:
    refusal = app_error_from(error) or AppError()
    form.take(refusal)
    return refusal
