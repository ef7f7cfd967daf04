"""Bodies of requests that come in by our doors."""

from typing import Any

from django.http import HttpRequest
from django.utils.http import parse_header_parameters

from personalq.lib import strict_json
from personalq.lib.errors import MalformedBody, PayloadTooLarge, UnsupportedMediaType


def json_object(request: HttpRequest, *, limit_bytes: int, mends_text: bool = False) -> dict[str, Any]:
    """The request's body. Raises UnsupportedMediaType, PayloadTooLarge or MalformedBody.

    It is read past Django's own limit, which is for forms. `mends_text` as in `strict_json.parse`.
    """
    media_type, parameters = parse_header_parameters(request.headers.get("Content-Type", ""))
    if media_type != "application/json" or parameters.get("charset", "utf-8").lower() not in {"utf-8", "utf8"}:
        raise UnsupportedMediaType
    body = request.read(limit_bytes + 1)
    if len(body) > limit_bytes:
        raise PayloadTooLarge(f"Send at most {limit_bytes} bytes to this address.")
    value = strict_json.parse(body, mends_text=mends_text)
    if not isinstance(value, dict):
        raise MalformedBody("The body must be a JSON object. Put the values into { }.")
    return value
