"""The door for sockets."""

from collections.abc import Iterator
from typing import Any, Final

from django.conf import settings

from personalq.lib.client_address import is_encrypted
from realtime import origins
from realtime.consumer import Receive, serve
from realtime.outbox import Outbox, Send
from realtime.refusals import FORBIDDEN_ORIGIN, HTTPS_REQUIRED, UNKNOWN_ADDRESS, Refusal

PATHS: Final = frozenset({"/ws", "/ws/"})
_GOODBYE_BYTES: Final = 4_096


async def websocket_application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Accept every socket, so that its client can be told why it may not stay; serve those that may."""
    # The token belongs into the first message: the address is not read, and servers must not log it.
    scope["query_string"] = b""
    await receive()  # the connect message
    await send({"type": "websocket.accept"})
    refusal = next(_refusals(scope), None)
    if refusal is None:
        await serve(receive, send)
        return
    outbox = Outbox(send, limit_bytes=_GOODBYE_BYTES)
    outbox.finish(refusal)
    await outbox.run()


def _refusals(scope: dict[str, Any]) -> Iterator[Refusal]:
    if scope["path"] not in PATHS:
        yield UNKNOWN_ADDRESS
    if settings.PERSONALQ_HTTPS and not is_encrypted(
        scheme=scope.get("scheme", "ws"), peer=_peer(scope), headers=scope["headers"]
    ):
        yield HTTPS_REQUIRED
    if not origins.is_allowed(scope["headers"]):
        yield FORBIDDEN_ORIGIN


def _peer(scope: dict[str, Any]) -> str:
    client = scope.get("client")
    return client[0] if client else ""
