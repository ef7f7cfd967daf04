"""Invitations: for operators who make them, and for whoever got one."""

from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_variables

from accounts import invitations, mails
from accounts.models import OneTimeCode
from realtime.forms.accounts import AcceptForm, InvitationForm
from realtime.views.answers import Limit, limit_person, posted, show_form
from realtime.views.doors import page, person
from realtime.views.outside import answer_to, open_page
from realtime.views.paging import page_of
from realtime.views.queries import NeighbourQuery, NothingAsked

PAGE_SIZE: Final = 24
WRITE_LIMIT: Final = Limit(group="invitation", rate="PERSONALQ_RATE_INVITATION")


@page("GET")
def show_list(request: HttpRequest) -> HttpResponse:
    """Who was invited, and what became of it."""
    wanted = NeighbourQuery.read(request)
    rows = invitations.invitations_for(person(request))
    found = page_of(rows, among=rows, size=PAGE_SIZE, before=wanted.get("before"), after=wanted.get("after"))
    shown = [_facts_of(each) for each in found.rows]
    return render(request, "accounts/invitation_list.html", {"section": "invitations", "page": found, "shown": shown})


@page("GET", "POST")
@sensitive_variables()
def new(request: HttpRequest) -> HttpResponse:
    """The form or, once it is sent and good, the link: this one time, and without an address to come back to."""
    NothingAsked.read(request)
    user = person(request)
    invitations.invitations_for(user)
    form = InvitationForm(posted(request), may_make_operators=user.is_superuser)
    made: list[invitations.NewInvitation] = []
    refusal = answer_to(form, lambda: made.append(_make(request, form))) if request.method == "POST" else None
    if made:
        context = {
            "section": "invitations",
            "text": made[0].link,
            "has_mails": mails.are_on(),
            **_facts_of(made[0].row),
        }
        return render(request, "accounts/invitation_made.html", context)
    return show_form(request, "accounts/invitation_new.html", {"section": "invitations", "form": form}, refusal=refusal)


@page("GET", "POST")
def withdraw(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Asks whether that is meant, then withdraws."""
    NothingAsked.read(request)
    user = person(request)
    row = invitations.invitation_for(user, uuid)
    if request.method != "POST":
        return render(request, "accounts/invitation_withdraw.html", {"section": "invitations", **_facts_of(row)})
    limit_person(request, WRITE_LIMIT)
    invitations.withdraw(actor=user, invitation=row)
    messages.success(request, "The invitation is withdrawn.")
    return redirect("invitation-list")


@open_page
@sensitive_variables()
def accept(request: HttpRequest) -> HttpResponse:
    """Takes a code, a user name and a password. Afterwards one signs in as usual."""
    NothingAsked.read(request)
    form = AcceptForm(posted(request))
    refusal = answer_to(form, lambda: _accept(request, form)) if request.method == "POST" else None
    if request.method == "POST" and refusal is None:
        messages.success(request, "Your account is made. Sign in with your new user name and password.")
        return redirect("sign-in")
    return show_form(request, "accounts/invitation.html", {"form": form}, refusal=refusal)


@sensitive_variables()
def _make(request: HttpRequest, form: InvitationForm) -> invitations.NewInvitation:
    limit_person(request, WRITE_LIMIT)
    return invitations.make(actor=person(request), **form.cleaned_data)


@sensitive_variables()
def _accept(request: HttpRequest, form: AcceptForm) -> None:
    invitations.accept(request, **form.cleaned_data)


def _facts_of(row: OneTimeCode) -> dict[str, Any]:
    return {"invitation": row, "state": invitations.state_of(row), **row.details}
