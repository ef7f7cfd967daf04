"""Who gets into a page and by which methods."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, Final, ParamSpec, cast

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse

from accounts.models import User
from personalq.lib.errors import MethodNotAllowed

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


def _lead_to_sign_in(request: HttpRequest) -> HttpResponse:
    # What was posted is lost by then, and its address may answer nothing but POST.
    is_safe = request.method in SAFE_METHODS
    return redirect_to_login(request.get_full_path() if is_safe else "/")
