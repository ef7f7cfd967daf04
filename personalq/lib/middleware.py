"""Our layers around the views.

They are plain synchronous classes on purpose. Our views are synchronous and served through ASGI. Django runs
each of its own layers asynchronously as long as the layer inside it is asynchronous, and then sends the hooks
of each to a thread, one by one. One synchronous layer in the innermost place (ViewErrors) makes the whole
stack synchronous: one hop in, and the view runs in the same thread.

    Edge                  outermost: request id, proxy headers, security headers, access line
    SecurityMiddleware    Django's: redirects pages to HTTPS, HSTS
    MachinePaths          programs' paths: methods, HTTPS without redirect, one trailing slash, one same 401
    …                     WhiteNoise, ContentPolicy, sessions, CSRF, users, messages
    ViewErrors            innermost: errors of page views become error pages
"""

import logging
import time
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from personalq.lib import afterwards, errors
from personalq.lib.access_log import log_access
from personalq.lib.client_address import client_address, is_trusted_proxy
from personalq.lib.current_request import RequestMark, new_request_id, serving
from personalq.lib.health import answer_by_route
from personalq.lib.paths import is_api_path, is_health_path, is_machine_path
from personalq.lib.problems import ProblemResponse, error_of_status, error_response, prefers_json, problem_response
from personalq.lib.security_headers import add_security_headers, is_developers_error_page
from personalq.lib.translation import app_error_from

REQUEST_ID_HEADER = "X-Request-ID"
LONGEST_PATH = 200
ALLOWED_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

_PROXY_HEADERS = (
    "HTTP_FORWARDED",
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PORT",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_REAL_IP",
)

_GetResponse = Callable[[HttpRequest], HttpResponseBase]
_logger = logging.getLogger("personalq.errors")


class Edge:
    """Names each request, distrusts its proxy headers, dresses each answer and writes the access line."""

    def __init__(self, get_response: _GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        # Ours alone: an id chosen by the client could imitate another request in the logs.
        request_id = new_request_id()
        request.request_id = request_id  # type: ignore[attr-defined]
        settle_proxy_headers(request)
        with serving(mark_of(request, request_id)), afterwards.gathering():
            response = self._answer(request)
        response.headers[REQUEST_ID_HEADER] = request_id
        return response

    def _answer(self, request: HttpRequest) -> HttpResponseBase:
        started = time.perf_counter()
        response = self.get_response(request)
        if is_developers_error_page(response) and prefers_json(request):
            response = error_response(error_of_status(response.status_code), request)
        add_security_headers(response)
        log_access(request, response, time.perf_counter() - started)
        return response


def mark_of(request: HttpRequest, request_id: str) -> RequestMark:
    """What logs and audit trail may know of a request, whose proxy headers are settled."""
    # PostgreSQL keeps neither NUL nor lone surrogates.
    path = request.path_info.encode("utf-8", "replace").decode().replace("\0", "")[:LONGEST_PATH]
    return RequestMark(request_id, client_address(request), request.method or "", path)


def settle_proxy_headers(request: HttpRequest) -> None:
    """Drop what only a proxy may say, unless one of ours says it; the last scheme is its own word."""
    if not is_trusted_proxy(request.META.get("REMOTE_ADDR", "")):
        for name in _PROXY_HEADERS:
            request.META.pop(name, None)
    elif "HTTP_X_FORWARDED_PROTO" in request.META:
        # Django reads the first value, which is the client's own when the proxy appends.
        schemes = request.META["HTTP_X_FORWARDED_PROTO"]
        request.META["HTTP_X_FORWARDED_PROTO"] = schemes.rsplit(",", 1)[-1].strip()


class MachinePaths:
    """What holds for the paths of programs, and the methods that hold for all."""

    def __init__(self, get_response: _GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        refusal = _refusal(request)
        if refusal is not None:
            return error_response(refusal, request)
        if is_health_path(request.path_info):
            # Supervisors and load balancers ask by address, which is in nobody's ALLOWED_HOSTS.
            return answer_by_route(request)
        if is_api_path(request.path_info):
            _strip_one_slash(request)
        return _same_for_strangers(self.get_response(request), request)


def _refusal(request: HttpRequest) -> errors.AppError | None:
    if request.method not in ALLOWED_METHODS:
        return errors.MethodNotAllowed(headers={"Allow": ", ".join(ALLOWED_METHODS)})
    if settings.PERSONALQ_HTTPS and not request.is_secure() and is_machine_path(request.path_info):
        # A redirect would make a client that leaks its token over HTTP work, and so go unnoticed.
        return errors.HttpsRequired()
    return None


def _strip_one_slash(request: HttpRequest) -> None:
    # Routes are declared without it; a redirect would drop the body of a POST.
    request.path_info = request.path_info.removesuffix("/")


def _same_for_strangers(response: HttpResponseBase, request: HttpRequest) -> HttpResponseBase:
    """Make the 401 anew: DRF adds Allow and Vary headers that tell an existing route from an invented one."""
    error = response.error if isinstance(response, ProblemResponse) else None
    is_stranger = type(error) in {errors.NotAuthenticated, errors.InvalidToken}
    if error is None or not is_stranger or not is_api_path(request.path_info):
        return response
    # The old answer is not closed: that would announce the end of the request, as the new one will do.
    return problem_response(type(error)(), request)


class ViewErrors:
    """Turns the errors of ``personalq.lib.errors`` and known accidents in page views into error answers.

    API views never come here: DRF's handler has answered already.
    """

    def __init__(self, get_response: _GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        error = app_error_from(exception)
        if error is None:
            return None
        if error.status >= errors.AppError.status:
            _logger.error("%s while answering", error.code, exc_info=exception)
        return error_response(error, request)
