"""Where browsers tell of what a Content Security Policy has kept a page from doing (CSP level 3, Reporting API).

Anybody can send such a report, so none is believed or kept: each becomes one line of the log, cut and without queries.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse
from django.utils.http import parse_header_parameters
from django.views.decorators.csrf import csrf_exempt

from personalq.lib import strict_json
from personalq.lib.errors import MalformedBody, MethodNotAllowed, UnsupportedMediaType
from personalq.lib.rate_limits import limit_address

_Report = Mapping[str, Any]
_Members = Mapping[str, tuple[str, ...]]

MOST_AT_ONCE: Final = 5
LONGEST_ADDRESS: Final = 200
LONGEST_WORD: Final = 64
# By `report-uri`, which every browser knows, and by `report-to`.
SINGLE_TYPE: Final = "application/csp-report"
BATCH_TYPE: Final = "application/reports+json"
_ADDRESSES: Final[_Members] = {
    "document": ("document-uri", "documentURL"),
    "blocked": ("blocked-uri", "blockedURL"),
    "source": ("source-file", "sourceFile"),
}
_WORDS: Final[_Members] = {
    "directive": ("effective-directive", "effectiveDirective", "violated-directive"),
    "disposition": ("disposition",),
}
_NUMBERS: Final[_Members] = {"line": ("line-number", "lineNumber"), "column": ("column-number", "columnNumber")}

_logger = logging.getLogger("personalq.csp")


# A browser sends these without cookies or tokens, and they change nothing.
@csrf_exempt
def take_reports(request: HttpRequest) -> HttpResponse:
    """Write down what a browser tells; answers 204."""
    if request.method != "POST":
        raise MethodNotAllowed(headers={"Allow": "POST"})
    limit_address(request, group="csp-reports", rate="PERSONALQ_RATE_CSP_REPORTS")
    for report in _reports_in(request):
        _logger.warning("A browser refused something by the policy of a page", extra={"fields": describe(report)})
    return HttpResponse(status=204)


def describe(report: _Report) -> dict[str, str | int]:
    """What is worth knowing of a report: of addresses no query, fragment or user, and no text of the page."""
    addresses = {name: _shortened(text) for name, text in _told(report, _ADDRESSES, str)}
    words = {name: text[:LONGEST_WORD] for name, text in _told(report, _WORDS, str)}
    return {**addresses, **words, **dict(_told(report, _NUMBERS, int))}


def _reports_in(request: HttpRequest) -> Sequence[_Report]:
    content_type = parse_header_parameters(request.headers.get("Content-Type", ""))[0].lower()
    if content_type not in {SINGLE_TYPE, BATCH_TYPE}:
        raise UnsupportedMediaType(f"Send reports as {SINGLE_TYPE} or {BATCH_TYPE}.")
    document = strict_json.parse(request.body, mends_text=True)
    if content_type == SINGLE_TYPE:
        found = [document.get("csp-report")] if isinstance(document, dict) else []
    else:
        found = [*_bodies(document)]
    reports = [each for each in found if isinstance(each, dict)]
    if not reports:
        raise MalformedBody("The body holds no report of a Content Security Policy.")
    return reports[:MOST_AT_ONCE]


def _bodies(document: object) -> Iterator[object]:
    for entry in document if isinstance(document, list) else []:
        if isinstance(entry, dict) and entry.get("type") == "csp-violation":
            yield entry.get("body")


def _told(report: _Report, wanted: _Members, kind: type) -> Iterator[tuple[str, Any]]:
    """Our names with the first of the report's members that is of this kind."""
    for name, members in wanted.items():
        # Exactly: True is an int, too.
        found = [report[member] for member in members if type(report.get(member)) is kind]
        if found:
            yield name, found[0]


def _shortened(address: str) -> str:
    try:
        parts = urlsplit(address)
    except ValueError:
        return "no address"
    host = parts.netloc.rpartition("@")[2]
    if not host:
        # A keyword such as "inline", or a scheme whose rest is content: data:, blob:.
        return (f"{parts.scheme}:" if parts.scheme else parts.path)[:LONGEST_ADDRESS]
    return f"{parts.scheme}://{host}{parts.path}"[:LONGEST_ADDRESS]
