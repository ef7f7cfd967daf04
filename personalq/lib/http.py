"""The outbound client: the only place in the product that opens connections to others.

    async with http.client(limits=limits) as client:          # for the SDKs: AsyncAnthropic(http_client=client)
        async with client.stream("POST", url, json=…) as response: …

    answer = await http.fetch("POST", url, headers={…}, body=b"…", limits=limits)

https only, apart from the operator's exact list ``PERSONALQ_INTERNAL_HOSTS``; the host's addresses are checked when the
connection is made, and the connection goes to the address that was checked; no redirects, no proxies, nothing from the
environment, no cookies, no compression that was not bounded. Time and size of every call are limited.
"""

import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import httpx2
from django.conf import settings

from personalq.lib.outbound import blocked, exchange
from personalq.lib.outbound.blocked import Cause, call_blocked, calling_for
from personalq.lib.outbound.exchange import Exchange, Headers
from personalq.lib.outbound.limits import Limits
from personalq.lib.outbound.refusals import HttpRefused, Reason
from personalq.lib.outbound.urls import CheckedUrl, host_in, parse_url

__all__ = [
    "Cause",
    "CheckedUrl",
    "HttpRefused",
    "Limits",
    "Reason",
    "Response",
    "call_blocked",
    "calling_for",
    "check_url",
    "client",
    "fetch",
]

USER_AGENT: Final = "Personal-Q"
_logger = logging.getLogger("personalq.outbound")


@dataclass(frozen=True, kw_only=True)
class Response:
    """A whole answer. Header names are in lower case; several of one name are joined by a comma."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


def check_url(url: str) -> CheckedUrl:
    """Read a URL by the rules for outgoing calls, without any network; ``str`` of the result is the URL to call.

    Raises:
        HttpRefused: ``bad_url``, or ``address_refused`` for a literal address that is not public.
    """
    try:
        return parse_url(url, internal=settings.PERSONALQ_INTERNAL_HOSTS)
    except HttpRefused as refusal:
        _tell_refused_address(refusal, host_in(url))
        raise


def client(*, limits: Limits = Limits()) -> httpx2.AsyncClient:  # noqa: B008 - frozen
    """An HTTP client under all the rules above, for one event loop; the caller closes it.

    A refusal is an ``HttpRefused``, or for SDKs that wrap what their client raises: ``HttpRefused.behind(error)``. The
    limits count for each call. A time-out that an SDK names for a call can only shorten them.
    """
    return httpx2.AsyncClient(
        transport=CheckedTransport(limits),
        trust_env=False,
        follow_redirects=False,
        timeout=httpx2.Timeout(limits.read_seconds, connect=limits.connect_seconds),
        headers={"User-Agent": USER_AGENT},
    )


async def fetch(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    limits: Limits = Limits(),  # noqa: B008 - frozen
) -> Response:
    """One call with its whole answer, whatever its status.

    Raises:
        HttpRefused: The call was not made, or its answer was not taken.
    """
    sent = {"User-Agent": USER_AGENT, **(headers or {})}
    begun = await _begin(method, check_url(url), headers=[*sent.items()], body=body, limits=limits)
    try:
        content = b"".join([piece async for piece in begun.body()])
    finally:
        await begun.close()
    return Response(status=begun.status, headers=_joined(begun.headers), body=content)


async def _begin(method: str, url: CheckedUrl, *, headers: Headers, body: bytes, limits: Limits) -> Exchange:
    try:
        return await exchange.begin(method, url, headers=headers, body=body, limits=limits)
    except HttpRefused as refusal:
        _tell_refused_address(refusal, url.host)
        raise


def _tell_refused_address(refusal: HttpRefused, host: str) -> None:
    # A sign of somebody who looks around in our network; other failures belong to the task they happened to.
    if refusal.reason == Reason.ADDRESS_REFUSED:
        _logger.warning("An outgoing call to an internal address was refused", extra={"fields": {"host": host}})
        blocked.tell_blocked(host=host, reason=refusal.reason)


def _joined(headers: list[tuple[bytes, bytes]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined


class CheckedTransport(httpx2.AsyncBaseTransport):
    """Carries each request of an httpx client by a connection of its own."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        begun = await _begin(
            request.method,
            check_url(str(request.url)),
            headers=request.headers.multi_items(),
            body=await request.aread(),
            limits=_shortened(self._limits, request.extensions.get("timeout", {})),
        )
        return httpx2.Response(begun.status, headers=begun.headers, stream=_Body(begun), request=request)


class _Body(httpx2.AsyncByteStream):
    def __init__(self, begun: Exchange) -> None:
        self._begun = begun

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._begun.body()

    async def aclose(self) -> None:
        await self._begun.close()


def _shortened(limits: Limits, asked: Mapping[str, float | None]) -> Limits:
    return Limits(
        connect_seconds=min(limits.connect_seconds, asked.get("connect") or limits.connect_seconds),
        read_seconds=min(limits.read_seconds, asked.get("read") or limits.read_seconds),
        total_seconds=limits.total_seconds,
        response_bytes=limits.response_bytes,
    )
