"""The sign-in page and the way out."""

import math
from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth import views
from django.http import HttpRequest, HttpResponse

from accounts.forms import SignInForm
from accounts.sign_in import MAX_USERNAME_CHARACTERS
from personalq.lib.errors import MethodNotAllowed, RateLimited, Unavailable

SECONDS_SHOWN_AS_SUCH = 90


class SignInView(views.LoginView):
    """User name and password; then on to `next`, if that is a page of this site."""

    template_name = "accounts/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return super().post(request, *args, **kwargs)
        except (RateLimited, Unavailable) as refusal:
            return self._refuse(refusal)

    def get_redirect_url(self, *args: Any, **kwargs: Any) -> str:
        target = super().get_redirect_url(*args, **kwargs)
        # Django would answer 500 to somebody who is signed in and comes here with this page as next.
        return "" if urlsplit(target).path == self.request.path else target

    def _refuse(self, refusal: RateLimited | Unavailable) -> HttpResponse:
        # A form without data: rendering one with data would check it, and so count another attempt.
        username = self.request.POST.get("username", "")[:MAX_USERNAME_CHARACTERS]
        form = SignInForm(self.request, initial={"username": username})
        context = self.get_context_data(form=form, refusal=refusal, wait=waiting_time(refusal.retry_after_seconds))
        return self.render_to_response(context, status=refusal.status, headers=refusal.headers)


class SignOutView(views.LogoutView):
    """Ends the session, and with it the page's tokens. By POST only, so that no link can do it."""

    def http_method_not_allowed(self, *_args: Any, **_kwargs: Any) -> HttpResponse:
        raise MethodNotAllowed("Use the button Sign out.", headers={"Allow": "POST, OPTIONS"})


def waiting_time(seconds: int) -> str:
    """How long to wait, in words."""
    if seconds <= SECONDS_SHOWN_AS_SUCH:
        return f"{seconds} second{'' if seconds == 1 else 's'}"
    return f"{math.ceil(seconds / 60)} minutes"
