"""The page of one's second factor: setting it up, new recovery codes, turning it off."""

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from accounts import second_factor
from accounts.pages.access import page, person, show_form, take_refusal
from accounts.pages.forms import BothForm, CodeForm, PasswordForm
from accounts.second_factor import changes, recovery_codes
from personalq.lib.errors import AppError, InvalidInput

SECTION: Final = "account"
BEGUN: Final = "second_factor_begun"
"""Under this a session keeps which set-up it began: an id, never the secret."""


@page("GET")
def show(request: HttpRequest) -> HttpResponse:
    """Whether there is one, and what can be done about it."""
    return render(request, "accounts/second_factor.html", _context_of(request))


@page("POST")
@sensitive_post_parameters()
@sensitive_variables()
def begin(request: HttpRequest) -> HttpResponse:
    """The secret as a picture and as text, without an address to come back to."""
    form = PasswordForm(request.POST)
    done = _carried_out(form, lambda: changes.begin(request, actor=person(request), **form.cleaned_data))
    if isinstance(done, AppError):
        return _refused(request, "begin_form", form, done)
    request.session[BEGUN] = str(done.uuid)
    context = {"section": SECTION, "enrolment": done, "form": CodeForm()}
    return render(request, "accounts/second_factor_begun.html", context)


@page("POST")
@sensitive_post_parameters()
@sensitive_variables()
def confirm(request: HttpRequest) -> HttpResponse:
    """The first code: it is on from now on, and the recovery codes are shown this one time."""
    form = CodeForm(request.POST)
    done = _carried_out(form, lambda: changes.confirm(request, actor=person(request), **form.cleaned_data))
    if isinstance(done, AppError):
        context = {"section": SECTION, "form": form, "enrolment": _begun_here(request)}
        return show_form(request, "accounts/second_factor_begun.html", context, refusal=done)
    request.session.pop(BEGUN, None)
    return render(request, "accounts/recovery_codes.html", {"section": SECTION, "codes": done, "is_new": True})


@page("POST")
@sensitive_post_parameters()
@sensitive_variables()
def renew_codes(request: HttpRequest) -> HttpResponse:
    """Ten other recovery codes, shown this one time."""
    form = BothForm(request.POST, prefix="codes")
    done = _carried_out(form, lambda: changes.renew_recovery_codes(request, actor=person(request), **form.cleaned_data))
    if isinstance(done, AppError):
        return _refused(request, "codes_form", form, done)
    return render(request, "accounts/recovery_codes.html", {"section": SECTION, "codes": done})


@page("POST")
@sensitive_post_parameters()
@sensitive_variables()
def turn_off(request: HttpRequest) -> HttpResponse:
    """Back to the password alone."""
    form = BothForm(request.POST, prefix="off")
    done = _carried_out(form, lambda: changes.turn_off(request, actor=person(request), **form.cleaned_data))
    if isinstance(done, AppError):
        return _refused(request, "off_form", form, done)
    messages.success(request, "The second factor is off.")
    return redirect("second-factor")


@sensitive_variables()
def _begun_here(request: HttpRequest) -> changes.Enrolment | None:
    kept = request.session.get(BEGUN)
    return changes.begun(actor=person(request), uuid=UUID(kept)) if kept else None


@sensitive_variables()
def _carried_out(form: Form, work: Callable[[], Any]) -> Any:
    """What the work returns; the error, shown in the form, when the form or the work refuses."""
    if not form.is_valid():
        return InvalidInput()
    try:
        return work()
    except AppError as refusal:
        take_refusal(form, refusal)
        return refusal


def _refused(request: HttpRequest, name: str, form: Form, refusal: AppError) -> HttpResponse:
    return show_form(request, "accounts/second_factor.html", {**_context_of(request), name: form}, refusal=refusal)


def _context_of(request: HttpRequest) -> dict[str, Any]:
    user = person(request)
    factor = second_factor.factor_of(user)
    return {
        "section": SECTION,
        "factor": factor,
        "codes_left": recovery_codes.count_unused(factor) if factor else 0,
        "is_missing": second_factor.is_missing(user),
        "begin_form": PasswordForm(),
        "codes_form": BothForm(prefix="codes"),
        "off_form": BothForm(prefix="off"),
    }
