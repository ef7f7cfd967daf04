"""Choosing a new password without the old one."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.debug import sensitive_variables

from accounts import mails
from accounts.passwords import resets
from realtime.forms.accounts import ResetAskForm, ResetForm
from realtime.views.answers import posted, show_form
from realtime.views.outside import answer_to, open_page
from realtime.views.queries import NothingAsked


@open_page
def ask(request: HttpRequest) -> HttpResponse:
    """Asks who it is. What comes of it is told by e-mail alone."""
    NothingAsked.read(request)
    form = ResetAskForm(posted(request))
    refusal = answer_to(form, lambda: _ask(request, form)) if request.method == "POST" else None
    is_asked = request.method == "POST" and refusal is None
    context = {"form": form, "is_asked": is_asked, "has_mails": mails.are_on()}
    return show_form(request, "accounts/reset.html", context, refusal=refusal)


@open_page
@sensitive_variables()
def choose(request: HttpRequest) -> HttpResponse:
    """Takes a code and the new password. Afterwards one signs in as usual."""
    NothingAsked.read(request)
    form = ResetForm(posted(request))
    refusal = answer_to(form, lambda: _choose(request, form)) if request.method == "POST" else None
    if request.method == "POST" and refusal is None:
        messages.success(request, "Your new password is set. Sign in with it.")
        return redirect("sign-in")
    context = {"form": form, "has_mails": mails.are_on()}
    return show_form(request, "accounts/reset_new.html", context, refusal=refusal)


def _ask(request: HttpRequest, form: ResetAskForm) -> None:
    resets.ask(request, form.cleaned_data["wanted"])


@sensitive_variables()
def _choose(request: HttpRequest, form: ResetForm) -> None:
    wanted = form.cleaned_data
    resets.use(request, code=wanted["code"], new=wanted["password"], keeps_tokens=not wanted["ends_tokens"])
