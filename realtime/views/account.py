"""One's own account: what is known of it, the password, and the e-mail address."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_variables

from accounts import email_changes, invitations, mails, passwords, second_factor
from accounts.models import PersonalToken, User
from accounts.sessions import sessions_of
from realtime.forms.accounts import CodeForm, EmailForm, PasswordForm
from realtime.views.answers import posted, show_form
from realtime.views.doors import page, person
from realtime.views.outside import answer_to
from realtime.views.queries import NothingAsked


@page("GET")
def show(request: HttpRequest) -> HttpResponse:
    """An overview, from which everything about the account is reached."""
    NothingAsked.read(request)
    user = person(request)
    context = {
        "section": "account",
        "has_second_factor": second_factor.is_on(user),
        "session_count": sessions_of(user).count(),
        "token_count": PersonalToken.objects.live().filter(user=user).count(),
        "may_invite": invitations.may_invite(user),
        "has_mails": mails.are_on(),
        "changes_users": changes_users(user),
    }
    return render(request, "accounts/account.html", context)


def changes_users(user: User) -> bool:
    """Whether a user is an operator who may change accounts in the admin."""
    return user.is_staff and user.has_perm("accounts.change_user")


@page("GET", "POST")
@sensitive_variables()
def change_password(request: HttpRequest) -> HttpResponse:
    """The form of a new password; afterwards this session alone goes on."""
    NothingAsked.read(request)
    form = PasswordForm(posted(request))
    refusal = answer_to(form, lambda: _change_password(request, form)) if request.method == "POST" else None
    if request.method == "POST" and refusal is None:
        messages.success(request, "Your password is changed. Every other sign-in of yours has ended.")
        return redirect("account")
    return show_form(request, "accounts/password.html", {"section": "account", "form": form}, refusal=refusal)


@page("GET", "POST")
@sensitive_variables()
def change_email(request: HttpRequest) -> HttpResponse:
    """The form of another address, to which a code is sent."""
    NothingAsked.read(request)
    form = EmailForm(posted(request))
    refusal = answer_to(form, lambda: _ask_for_email(request, form)) if request.method == "POST" else None
    if request.method == "POST" and refusal is None:
        messages.success(request, "A code is on its way to the new address. Nothing has changed until you enter it.")
        return redirect("account-email-confirm")
    context = {
        "section": "account",
        "form": form,
        "has_mails": mails.are_on(),
        "changes_users": changes_users(person(request)),
    }
    return show_form(request, "accounts/email.html", context, refusal=refusal)


@page("GET", "POST")
@sensitive_variables()
def confirm_email(request: HttpRequest) -> HttpResponse:
    """Takes the code that the new address got."""
    NothingAsked.read(request)
    form = CodeForm(posted(request))
    refusal = answer_to(form, lambda: _confirm_email(request, form)) if request.method == "POST" else None
    if request.method == "POST" and refusal is None:
        messages.success(request, "Your e-mail address is changed.")
        return redirect("account")
    return show_form(request, "accounts/email_confirm.html", {"section": "account", "form": form}, refusal=refusal)


@sensitive_variables()
def _change_password(request: HttpRequest, form: PasswordForm) -> None:
    wanted = form.cleaned_data
    passwords.change(
        request,
        user=person(request),
        current=wanted["current"],
        new=wanted["new"],
        keeps_tokens=not wanted["ends_tokens"],
    )


@sensitive_variables()
def _ask_for_email(request: HttpRequest, form: EmailForm) -> None:
    email_changes.ask(request, user=person(request), **form.cleaned_data)


@sensitive_variables()
def _confirm_email(request: HttpRequest, form: CodeForm) -> None:
    email_changes.confirm(request, user=person(request), code=form.cleaned_data["code"])
