"""What the secret of each provider looks like.

Most are one word that goes into a header. Those of `http` are headers themselves: a JSON object of name → value.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from accounts.models import Provider
from personalq.lib.errors import InvalidInput
from personalq.lib.redaction import mask
from personalq.lib.shared_secrets import SHORTEST_SECRET

KEY_LENGTH: Final = 1000
SHORTEST_KEY: Final = 8
"""Shorter ones could not be taken out of logs and errors without tearing holes into words."""
MOST_HEADERS: Final = 20
HEADER_NAME_LENGTH: Final = 100
HEADER_VALUE_LENGTH: Final = 4096

# RFC 9110, 5.6.2 and 5.5, without the bytes above ASCII that it calls obsolete.
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE: Final = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_KEY: Final = re.compile(r"[!-~]+")
# Of one hop only (RFC 9110, 7.6.1), or written by the client itself.
_NOT_YOURS_TO_SEND: Final = frozenset(
    {
        "connection", "content-length", "expect", "host", "keep-alive", "proxy-authenticate", "proxy-authorization",
        "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
    }
)  # fmt: skip


def checked_secret(provider: str, value: object) -> str:
    """The plain text to be sealed. Raises InvalidInput naming `secret`, without the secret."""
    if provider == Provider.HTTP:
        return json.dumps(_checked_headers(value), separators=(",", ":"))
    # Of these one opens a door of ours: whoever knows it may report.
    return _checked_key(value, shortest=SHORTEST_SECRET if provider == Provider.RUNNER else SHORTEST_KEY)


def hint_for(provider: str, plain: str) -> str:
    """What its owner knows a key by, and nothing of headers."""
    return "" if provider == Provider.HTTP else mask(plain)


def headers_in(plain: str) -> dict[str, str]:
    """The headers of an `http` credential's plain text."""
    headers: dict[str, str] = json.loads(plain)
    return headers


def parts_of(provider: str, plain: str) -> list[str]:
    """What of a plain text must be kept out of logs and errors: also what follows `Bearer` in a header."""
    if provider != Provider.HTTP:
        return [plain]
    values = list(headers_in(plain).values())
    return [*values, *(value.rpartition(" ")[2] for value in values)]


def _checked_key(value: object, *, shortest: int) -> str:
    if not isinstance(value, str):
        raise _wrong("invalid", "Send the key as a string.")
    if value != value.strip():
        raise _wrong("edge_space", "Remove the white space at the beginning or the end.")
    if len(value) > KEY_LENGTH:
        raise _wrong("max_length", f"Use at most {KEY_LENGTH} characters.")
    if len(value) < shortest:
        raise _wrong("min_length", f"Use at least {shortest} characters: a shorter key could not be kept secret.")
    if not _KEY.fullmatch(value):
        raise _wrong("characters", "Use visible ASCII characters without spaces or line breaks, as keys have them.")
    return value


def _checked_headers(value: object) -> Mapping[str, str]:
    if not isinstance(value, dict):
        raise _wrong("invalid", 'Send the headers as a JSON object, such as {"Authorization": "Bearer …"}.')
    if not 1 <= len(value) <= MOST_HEADERS:
        raise _wrong("headers", f"Send 1 to {MOST_HEADERS} headers.")
    for name, content in value.items():
        _check_header(name, content)
    if len({name.lower() for name in value}) < len(value):
        raise _wrong("header_twice", "Name each header once; capitals make no difference.")
    return value


def _check_header(name: Any, content: object) -> None:
    if len(name) > HEADER_NAME_LENGTH or not _TOKEN.fullmatch(name):
        raise _wrong("header_name", f"Name headers with at most {HEADER_NAME_LENGTH} letters, digits and hyphens.")
    if name.lower() in _NOT_YOURS_TO_SEND:
        raise _wrong("header_not_allowed", f"The header {name} is written by the client itself. Leave it out.")
    if not isinstance(content, str) or len(content) > HEADER_VALUE_LENGTH or not _HEADER_VALUE.fullmatch(content):
        message = f"Give {name} at most {HEADER_VALUE_LENGTH} visible ASCII characters, without space at either end."
        raise _wrong("header_value", message)


def _wrong(code: str, message: str) -> InvalidInput:
    return InvalidInput.for_field("secret", code, message)
