"""URLs for outgoing calls, read by one strict parser and written anew from what it read.

What it does not know it refuses, so no second parser further down can read the same text differently. The grammar is
a part of RFC 3986: absolute, ASCII, without user information and fragment.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from typing import Final

from personalq.lib.outbound.addresses import is_public, parse_address
from personalq.lib.outbound.refusals import HttpRefused, Reason

LONGEST_URL: Final = 4096
HIGHEST_PORT: Final = 65_535
DEFAULT_PORTS: Final = {"https": 443, "http": 80}

_HOST = r"(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})"
_PORT = r"(?P<port>[1-9][0-9]{0,4})"
_CHARACTERS = r"[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2}"
_URL: Final = re.compile(
    rf"(?P<scheme>(?i:https?))://{_HOST}(?::{_PORT})?(?P<path>/(?:{_CHARACTERS})*)?"
    rf"(?:\?(?P<query>(?:{_CHARACTERS}|\?)*))?",
    re.ASCII,
)
_TARGET: Final = re.compile(rf"{_HOST}:{_PORT}", re.ASCII)
_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
# Whatever ends so is a number to some resolver: 2130706433, 127.1, 0x7f.1, 0177.0.0.1.
_NUMERIC_END: Final = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)", re.ASCII)
_DOT_SEGMENT: Final = re.compile(r"/(?:\.|%2e){1,2}(?:/|$)", re.ASCII | re.IGNORECASE)
_ESCAPED_CONTROL: Final = re.compile(r"%(?:[01][0-9a-f]|7f)", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class CheckedUrl:
    """The parts of a URL that may be called. ``host`` is in lower case, an IPv6 address without its brackets.

    ``is_internal`` means that the operator's list names this very host and port, so any address is allowed for it.
    Path and query can hold secrets and are not shown by ``repr``.
    """

    scheme: str
    host: str
    port: int
    is_internal: bool
    path: str = field(repr=False)
    query: str | None = field(repr=False)

    @property
    def is_literal(self) -> bool:
        """Whether the host is an address and no name."""
        return parse_address(self.host) is not None

    @property
    def origin(self) -> str:
        port = "" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{_bracketed(self.host)}{port}"

    def __str__(self) -> str:
        query = "" if self.query is None else f"?{self.query}"
        return f"{self.origin}{self.path}{query}"


def parse_url(url: str, *, internal: Collection[str]) -> CheckedUrl:
    """Read a URL; ``internal`` are the operator's targets as ``parse_target`` returns them.

    Raises:
        HttpRefused: ``bad_url``, or ``address_refused`` for an address that is not public.
    """
    match = _URL.fullmatch(url) if len(url) <= LONGEST_URL else None
    if match is None:
        raise HttpRefused(Reason.BAD_URL)
    scheme = match["scheme"].lower()
    host, port = _read_host(match["host"]), _read_port(match["port"], DEFAULT_PORTS[scheme])
    path = match["path"] or "/"
    if _DOT_SEGMENT.search(path) or _ESCAPED_CONTROL.search(path):
        raise HttpRefused(Reason.BAD_URL, "The path must not hold dot segments or control characters.")
    is_internal = f"{_bracketed(host)}:{port}" in internal
    if not is_internal:
        _refuse_outside(scheme, host)
    return CheckedUrl(scheme=scheme, host=host, port=port, is_internal=is_internal, path=path, query=match["query"])


def host_in(url: str) -> str:
    """The host of a URL that was refused for it; empty when it is none."""
    match = _URL.fullmatch(url) if len(url) <= LONGEST_URL else None
    return "" if match is None else match["host"].lower()


def parse_target(target: str) -> str:
    """One ``host:port`` of the operator's list in the form in which URLs are compared with it.

    Raises:
        HttpRefused: ``bad_url``; a port has to be named, and there are no patterns.
    """
    match = _TARGET.fullmatch(target)
    if match is None:
        raise HttpRefused(Reason.BAD_URL)
    return f"{_bracketed(_read_host(match['host']))}:{_read_port(match['port'], 0)}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _read_host(text: str) -> str:
    if text.startswith("["):
        address = parse_address(text[1:-1])
        if not isinstance(address, IPv6Address):
            raise HttpRefused(Reason.BAD_URL)
        return address.compressed
    host = text.lower()
    if _NUMERIC_END.fullmatch(host):
        if parse_address(host) is None:
            raise HttpRefused(Reason.BAD_URL, "Write an IPv4 address as four decimal numbers, or use a host name.")
    elif not all(_LABEL.fullmatch(label) for label in host.split(".")):
        raise HttpRefused(Reason.BAD_URL, "The host name is not well formed. A dot at its end is not allowed either.")
    return host


def _read_port(text: str | None, default: int) -> int:
    port = default if text is None else int(text)
    if port > HIGHEST_PORT:
        raise HttpRefused(Reason.BAD_URL, "The port must be a number from 1 to 65535.")
    return port


def _refuse_outside(scheme: str, host: str) -> None:
    if scheme != "https":
        raise HttpRefused(
            Reason.BAD_URL,
            "Use https. The operator can allow http for single hosts: host and port, such as runner:3001, in"
            " PERSONALQ_INTERNAL_HOSTS.",
        )
    if parse_address(host) is not None:
        if not is_public(host):
            raise HttpRefused(Reason.ADDRESS_REFUSED)
    elif "." not in host:
        # A resolver would try the search domains of this machine.
        raise HttpRefused(Reason.BAD_URL, "Write the whole host name, such as api.example.com.")
