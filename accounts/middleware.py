"""What holds for every request that comes with a session of ours."""

from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect

from accounts import second_factor
from accounts.models import User
from accounts.tokens import families
from personalq.lib.problems import error_response, prefers_json

SET_UP: Final = "/account/second-factor"
OPEN_PATHS: Final = (SET_UP, "/sign-out")
"""What an operator may reach who has no second factor and needs one."""


class SessionCare:
    """Notes which sessions are in use, and keeps operators who lack a second factor to the page where they set it up.

    It stands behind AuthenticationMiddleware. Requests with a token alone are judged by `accounts.tokens`.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        # Whoever brings no session is not looked up.
        user = request.user if settings.SESSION_COOKIE_NAME in request.COOKIES else None
        if isinstance(user, User):
            families.note_session(request)
            if second_factor.is_missing(user) and not _is_open(request.path_info):
                return _lead_to_set_up(request)
        return self.get_response(request)


def _is_open(path: str) -> bool:
    return any(path == each or path.startswith(f"{each}/") for each in OPEN_PATHS)


def _lead_to_set_up(request: HttpRequest) -> HttpResponseBase:
    if prefers_json(request):
        return error_response(second_factor.SecondFactorNeeded(), request)
    return redirect("second-factor")
