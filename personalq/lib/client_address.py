"""Who asks, as far as the network tells: the peer, or what a trusted proxy says about its own peer.

``settings.PERSONALQ_TRUSTED_PROXIES`` lists addresses and networks; ``unix`` is a proxy on a unix socket.
"""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest

UNKNOWN = "unknown"
MAX_HOPS = 20
IPV6_PREFIX_LENGTH = 64
IPV6_WIDER_PREFIX_LENGTH = 48
_ENCRYPTED = frozenset({"https", "wss"})

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def client_address(request: HttpRequest) -> str:
    """The address of the client in canonical form, or "unknown"."""
    peer = request.META.get("REMOTE_ADDR", "")
    return resolve_client_address(peer, request.META.get("HTTP_X_FORWARDED_FOR", ""))


def resolve_client_address(peer: str, forwarded_for: str) -> str:
    """Walk from our own peer towards the client, as long as each hop is a proxy of ours.

    From the right: what stands further left was written by somebody whom we have no reason to believe.
    """
    nearest = parse_address(peer)
    if not is_trusted_proxy(peer):
        return UNKNOWN if nearest is None else str(nearest)
    for hop in reversed(forwarded_for.split(",")[-MAX_HOPS:]):
        address = parse_address(_without_port(hop.strip()))
        if address is None:
            break
        nearest = address
        if not _is_listed(address):
            break
    return UNKNOWN if nearest is None else str(nearest)


def address_group(address: str) -> str:
    """What rate limits take for one client: an IPv4 address, or the /64 of an IPv6 address."""
    parsed = parse_address(address)
    if parsed is None:
        return UNKNOWN
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    return _network_of(parsed, IPV6_PREFIX_LENGTH)


def wider_address_group(address: str) -> str:
    """The /48 of an IPv6 address, of which one client may hold every /64; elsewhere what `address_group` says."""
    parsed = parse_address(address)
    if not isinstance(parsed, ipaddress.IPv6Address):
        return address_group(address)
    return _network_of(parsed, IPV6_WIDER_PREFIX_LENGTH)


def is_trusted_proxy(peer: str) -> bool:
    """Whether ``peer`` (an address, or "" on a unix socket) is one of PERSONALQ_TRUSTED_PROXIES."""
    if not peer:
        return "unix" in settings.PERSONALQ_TRUSTED_PROXIES
    address = parse_address(peer)
    return address is not None and _is_listed(address)


def is_encrypted(*, scheme: str, peer: str, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether the client came by TLS: to us, or to a proxy of ours whose own word, the last one, says so.

    For what is answered outside of Django, with scheme and headers as ASGI has them.
    """
    if scheme in _ENCRYPTED:
        return True
    said = [value.decode("latin-1") for name, value in headers if name == b"x-forwarded-proto"]
    return bool(said) and is_trusted_proxy(peer) and said[-1].rsplit(",", 1)[-1].strip() in _ENCRYPTED


def parse_address(text: str) -> _Address | None:
    """The address, with IPv4 taken out of ``::ffff:1.2.3.4``, or None for anything else."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _network_of(address: ipaddress.IPv6Address, prefix_length: int) -> str:
    return str(ipaddress.ip_network((address, prefix_length), strict=False))


def _without_port(hop: str) -> str:
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    host, colon, _ = hop.partition(":")
    return host if colon and "." in host else hop


def _is_listed(address: _Address) -> bool:
    return any(address in network for network in parse_networks(tuple(settings.PERSONALQ_TRUSTED_PROXIES)))


@lru_cache(maxsize=8)
def parse_networks(proxies: tuple[str, ...]) -> tuple[_Network, ...]:
    """The addresses and networks of ``proxies``.

    Raises:
        ValueError: One of them is neither.
    """
    return tuple(ipaddress.ip_network(proxy, strict=False) for proxy in proxies if proxy != "unix")
