"""Errors as the world sees them: RFC 9457 documents for programs, a small page for people.

Clients of the older cursor-agents service get `{"error": …}`, as they know it, and voice agents `{ok, say, result}`.
"""

import json
import logging
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.signals import got_request_exception
from django.db import connections
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from rest_framework.renderers import BrowsableAPIRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from personalq.lib.current_request import current_request_id
from personalq.lib.error_pages import error_page
from personalq.lib.errors import (
    AppError,
    CsrfFailed,
    InvalidInput,
    NotAuthenticated,
    NotFound,
    PayloadTooLarge,
    PermissionDenied,
)
from personalq.lib.paths import is_api_path, is_machine_path, is_older_path, is_spoken_path
from personalq.lib.translation import app_error_from

PROBLEM_TYPE = "application/problem+json; charset=utf-8"
JSON_TYPE = "application/json; charset=utf-8"

_logger = logging.getLogger("personalq.errors")


class ProblemResponse(HttpResponse):
    """An answer made of an AppError, which middleware may look at."""

    def __init__(self, error: AppError, request_id: str, *, path: str = "") -> None:
        content_type, body = problem_for_path(error, request_id, path)
        super().__init__(body, content_type=content_type, status=error.status, headers=error.headers)
        self.error = error


def problem_document(error: AppError, request_id: str) -> dict[str, Any]:
    """The members of RFC 9457 and ours: ``code``, ``request_id``, ``errors``."""
    return {
        "type": f"urn:personalq:problem:{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        "request_id": request_id,
        "errors": [{"field": each.field, "code": each.code, "message": each.message} for each in error.errors],
    }


def problem_bytes(error: AppError, request_id: str) -> bytes:
    return json.dumps(problem_document(error, request_id)).encode("ascii")


def problem_for_path(error: AppError, request_id: str, path: str) -> tuple[str, bytes]:
    """Content type and body of an error in the form that programs know from this path."""
    document: dict[str, Any]
    if is_older_path(path):
        document = {"error": sentence_of(error), "code": error.code, "request_id": request_id}
    elif is_spoken_path(path):
        document = {"ok": False, "say": sentence_of(error), "result": {"error": error.code, "request_id": request_id}}
    else:
        return PROBLEM_TYPE, problem_bytes(error, request_id)
    return JSON_TYPE, json.dumps(document).encode("ascii")


def sentence_of(error: AppError) -> str:
    """Everything that `error` says to its reader, in one text: which members are wrong, or what to do."""
    parts = [f"{each.field}: {each.message}" if each.field else each.message for each in error.errors]
    return " ".join(parts) or error.detail


def problem_response(error: AppError, request: HttpRequest | Request | None = None) -> ProblemResponse:
    """``error`` as application/problem+json, with its own headers such as Retry-After."""
    request_id = getattr(request, "request_id", "") or current_request_id()
    # DRF's request hands on what it does not know itself.
    return ProblemResponse(error, request_id, path=getattr(request, "path_info", ""))


def drf_exception_handler(exception: Exception, context: dict[str, Any]) -> HttpResponseBase:
    """Turn whatever an API view raised into a problem; the unexpected is logged and says nothing outside."""
    request = context.get("request")
    error = app_error_from(exception)
    if error is None:
        error = AppError()
        _report(exception, request)
    elif error.status >= AppError.status:
        _logger.error("%s while answering", error.code, exc_info=exception)
    _roll_back()
    response = _api_response(error, request)
    if error.status >= AppError.status:
        # Django would log every 5xx once more, without the cause.
        response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def _api_response(error: AppError, request: Request | None) -> HttpResponseBase:
    is_for_people = isinstance(getattr(request, "accepted_renderer", None), BrowsableAPIRenderer)
    if is_for_people and error.status != NotAuthenticated.status:
        document = problem_document(error, current_request_id())
        return Response(document, status=error.status, headers=error.headers)
    return problem_response(error, request)


def _roll_back() -> None:
    # As in rest_framework.views, which cannot be imported here: it imports the authenticators, and they us.
    for connection in connections.all(initialized_only=True):
        if connection.settings_dict["ATOMIC_REQUESTS"] and connection.in_atomic_block:
            connection.set_rollback(True)


def _report(exception: Exception, request: Request | None) -> None:
    _logger.error("Unexpected error in an API view", exc_info=exception)
    # Django's own signal, so that whatever watches for crashes (such as the test client) sees this one too.
    got_request_exception.send(sender=None, request=getattr(request, "_request", None))


def prefers_json(request: HttpRequest) -> bool:
    """Whether errors are problem documents: on programs' paths, or when Accept puts JSON before HTML."""
    if is_machine_path(request.path_info):
        return True
    offered = ["text/html", "application/json", "application/problem+json"]
    return request.get_preferred_type(offered) in offered[1:]


def error_response(error: AppError, request: HttpRequest) -> HttpResponse:
    """``error`` in the form that suits the client."""
    if prefers_json(request):
        return problem_response(error, request)
    response = HttpResponse(error_page(error, request), status=error.status)
    for name, value in error.headers.items():
        response.headers[name] = value
    return response


def handler400(request: HttpRequest, exception: Exception) -> HttpResponse:
    too_big = isinstance(exception, RequestDataTooBig)
    return error_response(PayloadTooLarge() if too_big else _bad_request(), request)


def error_of_status(status: int) -> AppError:
    """What an answer of Django's own says by its status, in our words."""
    if status == NotFound.status:
        return NotFound()
    return _bad_request() if status == InvalidInput.status else AppError()


def _bad_request() -> AppError:
    detail = "The request itself is malformed. Check its address, headers and form."
    return InvalidInput(detail, code="bad_request")


def handler403(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django's
    return error_response(PermissionDenied(), request)


def handler404(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django's
    is_anonymous = not getattr(getattr(request, "user", None), "is_authenticated", False)
    if is_anonymous and is_api_path(request.path_info):
        return error_response(NotAuthenticated(), request)
    return error_response(NotFound(), request)


def handler500(request: HttpRequest) -> HttpResponse:
    return error_response(AppError(), request)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """For CSRF_FAILURE_VIEW. ``reason`` may quote the client's Referer and is shown to developers only."""
    return error_response(CsrfFailed(reason if settings.DEBUG else ""), request)
