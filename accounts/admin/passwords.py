"""What the admin does about other people's passwords: setting one, and a link by which its owner sets one."""

from collections.abc import Sequence
from typing import Any, Final

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.forms import AdminPasswordChangeForm
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.debug import sensitive_variables

from accounts import passwords
from accounts.models import User
from accounts.passwords import resets

MOST_LINKS: Final = 10


class OperatorPasswordForm(AdminPasswordChangeForm):  # type: ignore[type-arg]  # not generic at run time
    """Django's form, whose password is set by the verb that ends what a new password ends.

    The rules have been asked by the time that it is saved.
    """

    actor: User | None = None

    @sensitive_variables()
    def save(self, commit: bool = True) -> User:  # noqa: FBT001, FBT002, ARG002 - Django's signature
        new = self.cleaned_data["password1"] if self.cleaned_data.get("set_usable_password", True) else None
        user: User = self.user
        changed = passwords.replace(actor=self.actor, user=user, new=new, how="operator", is_checked=True)
        user.password, user.session_epoch = changed.password, changed.session_epoch
        return user


def form_for(actor: User) -> type[OperatorPasswordForm]:
    """The form in the hands of one operator."""
    return type("OperatorPasswordForm", (OperatorPasswordForm,), {"actor": actor})


def show_links(
    request: HttpRequest, actor: User, users: Sequence[User], context: dict[str, Any]
) -> HttpResponse | None:
    """Make reset links and show them, this one time; None with a message when there are none to make, or too many.

    Never one for oneself: whoever has a stolen session could set a password without the present one.
    """
    others = [user for user in users if user.pk != actor.pk]
    if len(others) < len(users):
        messages.warning(request, "No link for yourself: change your password on the page Account.")
        if not others:
            return None
    chosen = [user for user in others if user.is_active]
    if not 1 <= len(chosen) <= MOST_LINKS:
        messages.error(request, f"Choose 1 to {MOST_LINKS} active users.")
        return None
    links = [(user.get_username(), resets.make_link(actor=actor, user=user)) for user in chosen]
    shown = {"links": links, "needs_host": not settings.PERSONALQ_PUBLIC_URL, "title": "Reset links"}
    return TemplateResponse(request, "admin/reset_links.html", {**context, **shown})
