"""Content Security Policies: one for pages, one for everything that is not a page, one for the browsable API.

``connect-src 'self'`` covers the WebSocket of the same host in Chromium 71, Firefox and Safari 16 and later
(CSP level 3), so no host has to be written into the policy.

Browsers tell of violations at REPORTS_PATH. `report-to` is said over HTTPS alone: a browser that knows it looks away
from `report-uri`, and Chromium takes Reporting-Endpoints from nobody else, so that both together would say nothing.
"""

from typing import Any

from csp.constants import HEADER, NONE, SELF, UNSAFE_INLINE
from csp.middleware import CSPMiddleware
from csp.utils import build_policy
from django.http import HttpRequest, HttpResponseBase

from personalq.lib.paths import is_machine_path

REPORTS_PATH = "/csp-reports"
REPORTS_GROUP = "csp"

_PAGE_DIRECTIVES: dict[str, Any] = {
    "default-src": [NONE],
    "script-src": [SELF],
    "style-src": [SELF],
    "img-src": [SELF, "data:"],
    "connect-src": [SELF],
    "font-src": [SELF],
    "manifest-src": [SELF],
    "form-action": [SELF],
    "base-uri": [NONE],
    "object-src": [NONE],
    "frame-ancestors": [NONE],
    "report-uri": [REPORTS_PATH],
}

# For settings.CONTENT_SECURITY_POLICY.
PAGES: dict[str, Any] = {"DIRECTIVES": _PAGE_DIRECTIVES}

# For pages that are answered outside of ContentPolicy.
PAGES_POLICY: str = build_policy(_PAGE_DIRECTIVES)

# DRF's templates carry style attributes (floats of buttons). Attributes only: style elements stay refused.
BROWSABLE_API_POLICY: str = build_policy({**_PAGE_DIRECTIVES, "style-src-attr": [UNSAFE_INLINE]})

# For documents that are data: nothing in them may load or do anything.
NOTHING_POLICY = "default-src 'none'; frame-ancestors 'none'"


class ContentPolicy(CSPMiddleware):
    """django-csp for pages, a fixed policy for the browsable API; the edge gives the rest NOTHING_POLICY."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if not response.headers.get("Content-Type", "").startswith("text/html"):
            return response
        if is_machine_path(request.path_info):
            response.headers.setdefault(HEADER, BROWSABLE_API_POLICY)
        else:
            super().process_response(request, response)
        if request.is_secure():
            _name_endpoint(response)
        return response


def _name_endpoint(response: HttpResponseBase) -> None:
    policy = response.headers.get(HEADER, "")
    if f"report-uri {REPORTS_PATH}" in policy:
        response.headers[HEADER] = f"{policy}; report-to {REPORTS_GROUP}"
        response.headers["Reporting-Endpoints"] = f'{REPORTS_GROUP}="{REPORTS_PATH}"'
