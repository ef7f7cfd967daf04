"""Who gets into a page and by which methods, and how a form is shown."""

import math
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, cast

from django.contrib.auth.views import redirect_to_login
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.models import User
from personalq.lib.errors import AppError, MethodNotAllowed, RateLimited, Unavailable

SECONDS_SHOWN_AS_SUCH: Final = 90
SAFE_METHODS: Final = frozenset({"GET", "HEAD"})

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]


def page(*methods: str) -> Callable[[View[P]], View[P]]:
    """Let signed-in people in by these methods; others are led to the sign-in page."""
    allowed = SAFE_METHODS.union(methods) if "GET" in methods else frozenset(methods)

    def decorate(view: View[P]) -> View[P]:
        @wraps(view)
        def enter(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            if request.method not in allowed:
                raise MethodNotAllowed(headers={"Allow": ", ".join(sorted(allowed))})
            if not request.user.is_authenticated:
                return _lead_to_sign_in(request)
            return view(request, *args, **kwargs)

        return enter

    return decorate


def person(request: HttpRequest) -> User:
    """Who is signed in, behind `page`."""
    return cast("User", request.user)


def show_form(
    request: HttpRequest, template: str, context: dict[str, Any], *, refusal: AppError | None = None
) -> HttpResponse:
    """The page of a form, with the status and the headers of what was refused."""
    response = render(request, template, context, status=refusal.status if refusal else 200)
    for name, value in refusal.headers.items() if refusal else ():
        response.headers[name] = value
    return response


def take_refusal(form: Form, refusal: AppError) -> None:
    """Show what was refused in the form: at the fields that are named, else above it."""
    for each in refusal.errors:
        form.add_error(each.field if each.field in form.fields else None, each.message)
    if isinstance(refusal, RateLimited | Unavailable):
        form.add_error(None, f"{refusal.title} Try again in {waiting_time(refusal.retry_after_seconds)}.")
    elif not refusal.errors:
        form.add_error(None, f"{refusal.title} {refusal.detail}")


def waiting_time(seconds: int) -> str:
    """How long to wait, in words."""
    if seconds <= SECONDS_SHOWN_AS_SUCH:
        return f"{seconds} second{'' if seconds == 1 else 's'}"
    return f"{math.ceil(seconds / 60)} minutes"


def _lead_to_sign_in(request: HttpRequest) -> HttpResponse:
    # What was posted is lost by then, and its address may answer nothing but POST.
    is_safe = request.method in SAFE_METHODS
    return redirect_to_login(request.get_full_path() if is_safe else "/")
