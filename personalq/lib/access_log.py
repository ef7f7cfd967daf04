"""One line per request: who asked for which path, how it ended, how long it took. Never the query string."""

import logging

from django.http import HttpRequest, HttpResponseBase
from django.utils.functional import SimpleLazyObject

LONGEST_LOGGED_PATH = 500

_logger = logging.getLogger("personalq.access")


def log_access(request: HttpRequest, response: HttpResponseBase, duration_seconds: float) -> None:
    fields = {
        "method": request.method,
        "path": request.path[:LONGEST_LOGGED_PATH],
        "status": response.status_code,
        "duration_ms": round(duration_seconds * 1000, 1),
        "user": user_uuid(request),
    }
    _logger.info("request", extra={"fields": fields})


def user_uuid(request: HttpRequest) -> str | None:
    """The uuid of the user if the request has already been asked for one: a log line is not worth a query."""
    user = request.__dict__.get("user")
    if isinstance(user, SimpleLazyObject):
        user = request.__dict__.get("_cached_user")
    uuid = getattr(user, "uuid", None)
    return None if uuid is None else str(uuid)
