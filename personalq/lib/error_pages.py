"""Error pages for people. They must appear also when templates, sessions or the database do not work."""

import logging
from typing import Final

from django.conf import settings
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.html import format_html, format_html_join

from personalq.lib.current_request import current_request_id
from personalq.lib.errors import AppError

TEMPLATE = "errors/error.html"
STYLE_SHEETS: Final = ("app", "pages", "narrow")
"""Those of the frame (templates/base.html), in their order."""

_logger = logging.getLogger("personalq.errors")


def error_page(error: AppError, request: HttpRequest) -> str:
    """The page in the product's frame, or the bare one when the frame itself fails."""
    request_id = getattr(request, "request_id", "") or current_request_id()
    try:
        return render_to_string(TEMPLATE, {"error": error, "request_id": request_id}, request)
    except Exception:
        # The frame shows the signed-in person and so needs the database, which may be what just failed.
        _logger.exception("The error page could not be rendered in its frame")
        return bare_error_page(error, request_id)


def bare_error_page(error: AppError, request_id: str) -> str:
    """A page that needs nothing but this module and the settings."""
    sheets = [(settings.STATIC_URL, name) for name in STYLE_SHEETS]
    return format_html(
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<title>{title} · Personal-Q</title>\n{styles}</head>\n"
        '<body>\n<main class="error-page">\n<p class="error-status">{status}</p>\n<h1>{title}</h1>\n'
        '<p>{detail}</p>\n<p><a href="/">Back to the overview</a></p>\n'
        "<p><small>Request id: <code>{request_id}</code></small></p>\n"
        "</main>\n</body>\n</html>\n",
        styles=format_html_join("", '<link rel="stylesheet" href="{}css/{}.css">\n', sheets),
        title=error.title,
        status=error.status,
        detail=error.detail,
        request_id=request_id,
    )
