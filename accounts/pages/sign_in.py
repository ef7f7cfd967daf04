"""The sign-in page and the way out."""

from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import login, views
from django.contrib.auth.forms import AuthenticationForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, resolve_url
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from accounts import second_factor
from accounts.models import User
from accounts.pages.access import show_form, take_refusal, waiting_time
from accounts.pages.forms import CodeForm, SignInForm
from accounts.second_factor import step
from accounts.sign_in import MAX_USERNAME_CHARACTERS, pending
from accounts.tokens import families
from personalq.lib.errors import AppError, MethodNotAllowed, RateLimited, Unavailable

CODE_METHODS: Final = frozenset({"GET", "HEAD", "POST"})


class SignInView(views.LoginView):
    """User name and password; then on to `next`, if that is a page of this site, or first to the code."""

    template_name = "accounts/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return super().post(request, *args, **kwargs)
        except (RateLimited, Unavailable) as refusal:
            return self._refuse(refusal)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        user = form.get_user()
        if second_factor.is_on(user):
            pending.remember(self.request, user, target=self.get_redirect_url())
            return redirect("sign-in-code")
        answer = super().form_valid(form)
        families.of_session(self.request)
        return answer

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        if isinstance(form, SignInForm) and "username" not in form.errors:
            form.focus_password()
        return super().form_invalid(form)

    def get_redirect_url(self, *args: Any, **kwargs: Any) -> str:
        target = super().get_redirect_url(*args, **kwargs)
        # Django would answer 500 to somebody who is signed in and comes here with this page as next.
        return "" if urlsplit(target).path == self.request.path else target

    def _refuse(self, refusal: RateLimited | Unavailable) -> HttpResponse:
        # A form without data: rendering one with data would check it, and so count another attempt.
        username = self.request.POST.get("username", "")[:MAX_USERNAME_CHARACTERS]
        form = SignInForm(self.request, initial={"username": username})
        form.focus_password()
        context = self.get_context_data(form=form, refusal=refusal, wait=waiting_time(refusal.retry_after_seconds))
        return self.render_to_response(context, status=refusal.status, headers=refusal.headers)


@never_cache
@sensitive_post_parameters()
def take_code(request: HttpRequest) -> HttpResponse:
    """The second step: a code of the app or on paper. Nobody comes here without the right password."""
    if request.method not in CODE_METHODS:
        raise MethodNotAllowed(headers={"Allow": ", ".join(sorted(CODE_METHODS))})
    user = pending.user_in(request)
    if user is None:
        return redirect("sign-in")
    form = CodeForm(request.POST if request.method == "POST" else None)
    refusal = _refused_code(request, user, form) if request.method == "POST" else None
    if request.method == "POST" and refusal is None and form.is_valid():
        target = pending.finish(request)
        login(request, user)
        families.of_session(request)
        return redirect(target or resolve_url(settings.LOGIN_REDIRECT_URL))
    return show_form(request, "accounts/sign_in_code.html", {"form": form}, refusal=refusal)


def _refused_code(request: HttpRequest, user: User, form: CodeForm) -> AppError | None:
    if not form.is_valid():
        return None
    try:
        step.check(request, user, form.cleaned_data["code"])
    except (step.WrongCode, RateLimited, Unavailable) as refusal:
        take_refusal(form, refusal)
        return refusal
    return None


class SignOutView(views.LogoutView):
    """Ends the session, and with it the page's tokens. By POST only, so that no link can do it."""

    def http_method_not_allowed(self, *_args: Any, **_kwargs: Any) -> HttpResponse:
        raise MethodNotAllowed("Use the button Sign out.", headers={"Allow": "POST, OPTIONS"})
