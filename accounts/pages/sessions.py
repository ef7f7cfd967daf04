"""The page of one's sign-ins."""

from typing import Final
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.defaultfilters import pluralize

from accounts import sessions
from accounts.pages.access import page, person
from personalq.lib.rate_limits import limit

SECTION: Final = "account"
MOST_SHOWN: Final = 200


@page("GET")
def show(request: HttpRequest) -> HttpResponse:
    """What is signed in: from where, by what, since when."""
    rows = sessions.sessions_of(person(request))
    # The list is for people; whoever has more ends all others at once.
    context = {"section": SECTION, "rows": rows[:MOST_SHOWN], "this_one": sessions.this_one(request)}
    return render(request, "accounts/sessions.html", context)


@page("POST")
def end(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """End one of them, which may be this one."""
    _limit(request)
    user = person(request)
    session = sessions.session_for(user, uuid)
    is_this_one = session.uuid == sessions.this_one(request)
    sessions.end(actor=user, session=session)
    if is_this_one:
        return redirect("sign-in")
    messages.success(request, "That sign-in has ended.")
    return redirect("sessions")


@page("POST")
def end_others(request: HttpRequest) -> HttpResponse:
    """End all but this one."""
    _limit(request)
    count = sessions.end_others(actor=person(request), kept=sessions.this_one(request))
    messages.success(request, f"{count} sign-in{pluralize(count)} ended." if count else "There was no other sign-in.")
    return redirect("sessions")


def _limit(request: HttpRequest) -> None:
    key = f"user\n{person(request).pk}"
    limit(request, group="session-change", key=key, rate="PERSONALQ_RATE_SESSION_CHANGE")
