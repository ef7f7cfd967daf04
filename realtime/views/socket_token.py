"""What a page's script needs to open the socket."""

from typing import Any, cast

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.debug import sensitive_variables

from accounts.models import User
from accounts.tokens import page_token
from accounts.tokens.signed_tokens import SocketToken
from personalq.lib.errors import MethodNotAllowed, NotAuthenticated
from personalq.lib.problems import problem_response
from personalq.lib.rate_limits import limit
from realtime.frames import as_time


@sensitive_variables()
def issue(request: HttpRequest) -> HttpResponse:
    """A short-lived token for whoever is signed in, good for the socket alone. Scripts keep it in memory only."""
    if request.method != "POST":
        raise MethodNotAllowed(headers={"Allow": "POST"})
    user = request.user
    if not isinstance(user, User):
        return problem_response(NotAuthenticated(), request)
    limit(request, group="page-token", key=f"user\n{user.pk}", rate="PERSONALQ_RATE_TOKEN_REFRESH")
    token = page_token(request)
    # simplejwt takes text here, whatever it declares.
    expires_at = SocketToken(cast("Any", token)).expires_at
    return JsonResponse({"token": token, "expires_at": as_time(expires_at)})
