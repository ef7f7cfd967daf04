"""Bodies of requests that come in by our doors: bounded, of one type, one JSON object."""

from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest
from django.utils.http import parse_header_parameters

from personalq.lib import strict_json
from personalq.lib.errors import InvalidInput, MalformedBody, PayloadTooLarge, UnsupportedMediaType

_UTF8: Final = frozenset({"utf-8", "utf8"})


def limit_of(prefix: str) -> int:
    """How many bytes PERSONALQ_BODY_LIMITS lets in below a prefix such as `/webhooks/in`."""
    limit: int = settings.PERSONALQ_BODY_LIMITS[prefix]
    return limit


def read(request: HttpRequest, *, limit_bytes: int) -> bytes:
    """The body as it was sent, which is what senders sign.

    It is read past Django's own limit, which is for forms. A length that is told is looked at before anything is read.

    Raises UnsupportedMediaType, PayloadTooLarge, and InvalidInput when the body has another length than was told.
    """
    media_type, parameters = parse_header_parameters(request.headers.get("Content-Type", ""))
    if media_type != "application/json" or parameters.get("charset", "utf-8").lower() not in _UTF8:
        raise UnsupportedMediaType
    told = _told_length(request)
    if told is not None and told > limit_bytes:
        raise _too_large(limit_bytes)
    body = request.read(limit_bytes + 1)
    if len(body) > limit_bytes:
        raise _too_large(limit_bytes)
    if told is not None and told != len(body):
        raise _malformed_length()
    return body


def json_object(body: bytes, *, mends_text: bool = False) -> dict[str, Any]:
    """The one JSON object in a body; `mends_text` as in `strict_json.parse`. Raises MalformedBody."""
    value = strict_json.parse(body, mends_text=mends_text)
    if not isinstance(value, dict):
        raise MalformedBody("The body must be a JSON object. Put the values into { }.")
    return value


def _told_length(request: HttpRequest) -> int | None:
    told = request.META.get("CONTENT_LENGTH") or None
    if told is None:
        return None
    if not (told.isascii() and told.isdigit()):
        raise _malformed_length()
    return int(told)


def _malformed_length() -> InvalidInput:
    return InvalidInput("Content-Length differs from the length of the body.", code="bad_request")


def _too_large(limit_bytes: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"Send at most {limit_bytes} bytes to this address.")
