"""The audit trail as far as it concerns whoever looks."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.audit.reading import events_of
from accounts.models import AuditEvent, User
from accounts.models.audit_event import Outcome
from realtime.views.doors import page, person
from realtime.views.paging import page_of
from realtime.views.queries import ActivityQuery

PAGE_SIZE: Final = 50


@page("GET")
def show(request: HttpRequest) -> HttpResponse:
    """What the user did and what concerns them, newest first."""
    wanted = ActivityQuery.read(request)
    outcome = wanted.get("outcome")
    own = events_of(person(request))
    chosen = own.filter(outcome=outcome) if outcome else own
    found = page_of(chosen, among=own, size=PAGE_SIZE, before=wanted.get("before"), after=wanted.get("after"))
    _name_concerned(found.rows, viewer=person(request))
    context = {"section": "activity", "page": found, "outcome": outcome, "outcomes": Outcome.choices}
    return render(request, "pages/activity.html", context)


def _name_concerned(events: Sequence[Any], *, viewer: User) -> None:
    """Give each event what it is about, as `concerned`: a noun that its kind does not say, and whose it is."""
    wanted = {uuid for event in events if (uuid := _person_of(event, viewer)) is not None}
    names = dict(User.objects.filter(uuid__in=wanted).values_list("uuid", "username"))
    for event in events:
        uuid = _person_of(event, viewer)
        event.concerned = _concerned(event, "you" if uuid == viewer.uuid else names.get(uuid, "") if uuid else "")


def _person_of(event: AuditEvent, viewer: User) -> UUID | None:
    """Whom to name. An act that was refused gives away nobody's name."""
    uuid = event.object_uuid if event.object_kind == "user" else event.owner_uuid
    if uuid == viewer.uuid:
        return None if event.actor_uuid == viewer.uuid else uuid
    return uuid if event.outcome == Outcome.DONE else None


def _concerned(event: AuditEvent, name: str) -> str:
    noun = "" if event.kind.startswith(f"{event.object_kind}.") else event.object_kind.replace("_", " ")
    if noun == "user":
        return name
    return f"{noun} of {name}" if noun and name else noun or name
