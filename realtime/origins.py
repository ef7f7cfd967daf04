"""Which pages may open sockets.

Programs send no Origin and need none: the token is the authority.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import split_domain_port, validate_host
from django.utils.http import is_same_domain

Headers = Iterable[tuple[bytes, bytes]]
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Origin:
    """Scheme, host and port, the port always named."""

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Origin | None":
        """The origin, or None for "null" and everything else that is none."""
        try:
            parts = urlsplit(text.lower())
            port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
        except ValueError:
            return None
        if parts.hostname is None or port is None or parts.path or parts.query or parts.fragment or "@" in parts.netloc:
            return None
        return cls(parts.scheme, parts.hostname, port)

    def matches(self, pattern: "Origin") -> bool:
        """Whether this is the pattern's origin; "*.example.org" stands for all its subdomains."""
        host = pattern.host.removeprefix("*")
        return (self.scheme, self.port) == (pattern.scheme, pattern.port) and is_same_domain(self.host, host)


def is_allowed(headers: Headers) -> bool:
    """Whether there is no Origin, or one that is this site's own or listed in CSRF_TRUSTED_ORIGINS."""
    pairs = list(headers)
    named = _values(pairs, b"origin")
    if not named:
        return True
    origin = Origin.parse(named[0]) if len(named) == 1 else None
    return origin is not None and any(origin.matches(pattern) for pattern in _patterns(pairs))


def _patterns(headers: Headers) -> list[Origin]:
    texts = [*settings.CSRF_TRUSTED_ORIGINS, *_own_addresses(headers)]
    return [origin for origin in map(Origin.parse, texts) if origin is not None]


def _own_addresses(headers: Headers) -> list[str]:
    scheme = "https" if settings.PERSONALQ_HTTPS else "http"
    hosts = _values(headers, b"host")
    is_ours = len(hosts) == 1 and _is_listed(split_domain_port(hosts[0])[0])
    return [f"{scheme}://{hosts[0]}"] if is_ours else []


def _is_listed(domain: str) -> bool:
    return bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)


def _values(headers: Headers, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in headers if key == name]
