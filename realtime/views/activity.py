"""The audit trail as far as it concerns whoever looks."""

from typing import Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.audit.reading import events_of
from accounts.models.audit_event import Outcome
from realtime.views.doors import page, person
from realtime.views.paging import page_of
from realtime.views.queries import ActivityQuery

PAGE_SIZE: Final = 50
OUTCOMES: Final = ((Outcome.DONE, "done"), (Outcome.DENIED, "denied"), (Outcome.FAILED, "failed"))


@page("GET")
def show(request: HttpRequest) -> HttpResponse:
    """What the user did and what concerns them, newest first."""
    wanted = ActivityQuery.read(request)
    outcome = wanted.get("outcome")
    own = events_of(person(request))
    chosen = own.filter(outcome=outcome) if outcome else own
    found = page_of(chosen, among=own, size=PAGE_SIZE, before=wanted.get("before"), after=wanted.get("after"))
    context = {"section": "activity", "page": found, "outcome": outcome, "outcomes": OUTCOMES}
    return render(request, "pages/activity.html", context)
