"""What the start refuses because nothing in an installation for others may be so. Values are never repeated."""

import ipaddress
from collections.abc import Iterable
from urllib.parse import parse_qsl, urlsplit

from django.core.exceptions import ImproperlyConfigured


def refuse_local_origins(name: str, origins: Iterable[str]) -> None:
    """Pages of this machine, and pages that came without TLS, are anybody's.

    Raises ImproperlyConfigured when one of them is trusted.
    """
    if any(is_local_or_plain(origin) for origin in origins):
        raise ImproperlyConfigured(
            f"{name} trusts a page of this machine, or one without TLS, while PERSONALQ_HTTPS is on. Remove localhost, "
            "loopback addresses and http:// from it."
        )


def refuse_bare_redis(name: str, url: str) -> None:
    """A Redis that asks nobody who they are lets whoever reaches it decide what is done here.

    A unix socket is guarded by its file, and a certificate of our own proves us in TLS. Raises ImproperlyConfigured.
    """
    parts = urlsplit(url)
    has_certificate = parts.scheme == "rediss" and "ssl_certfile" in dict(parse_qsl(parts.query))
    if parts.scheme in {"redis", "rediss"} and not parts.password and not has_certificate:
        raise ImproperlyConfigured(
            f"{name} has no password while PERSONALQ_HTTPS is on. Set requirepass on the server and write "
            "redis://:password@host:6379, or use a unix socket."
        )


def is_local_or_plain(origin: str) -> bool:
    """Whether an origin is one of the machine that asks, or without TLS."""
    parts = urlsplit(origin)
    host = (parts.hostname or "").rstrip(".")
    return parts.scheme != "https" or host == "localhost" or host.endswith(".localhost") or is_loopback(host)


def is_loopback(host: str) -> bool:
    """Whether a host is an address that means this machine, on whichever machine it is read."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return bool(mapped.is_loopback or mapped.is_unspecified)
