"""Hands the client out, to everybody: it holds nothing secret."""

import hashlib
from pathlib import Path
from typing import Final

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import get_conditional_response

from personalq.lib.errors import MethodNotAllowed

_CONTENT: Final = Path(__file__).with_name("personalq_cli.py").read_bytes()
_ETAG: Final = f'"{hashlib.sha256(_CONTENT).hexdigest()}"'
_HEADERS: Final = {
    "ETag": _ETAG,
    # Asked about each time: after an upgrade nobody gets the older one.
    "Cache-Control": "no-cache",
    "Content-Disposition": 'attachment; filename="personalq-cli"',
}


def download(request: HttpRequest) -> HttpResponseBase:
    """The client's source, or 304 for whoever has it."""
    if request.method not in {"GET", "HEAD"}:
        raise MethodNotAllowed(headers={"Allow": "GET, HEAD"})
    answer = HttpResponse(_CONTENT, content_type="text/x-python; charset=utf-8", headers=_HEADERS)
    return get_conditional_response(request, etag=_ETAG, response=answer) or answer
