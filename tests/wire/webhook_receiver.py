"""A receiver of webhooks as somebody else would build it: it verifies with the `standardwebhooks` library.

    with WebhookReceiver() as receiver:
        receiver.secret = secret
        receiver.script(answering(500), answering(200))     # the last one stays
        receiver.wait_for_messages(2)

What does not verify is answered 400 and noted in `refused`.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from tests.wire.server import Exchange, Handler, Received, StandIn, WireServer, answering, in_turn

PIECE = b"x" * 65_536


@dataclass(frozen=True, kw_only=True)
class Message:
    """A delivery that verified."""

    id: str
    type: str
    data: dict[str, Any]
    body: bytes
    request: Received


class WebhookReceiver(StandIn):
    """Verifies each request, then answers it as the script says; `messages` are in the order in which they came."""

    def __init__(self, secret: str = "") -> None:
        self.secret = secret
        self.messages: list[Message] = []
        self.refused: list[Received] = []
        self._script: Handler = answering(200, b"thank you")
        self.server = WireServer(self._take)

    @property
    def url(self) -> str:
        return f"{self.server.url}/hooks/personal-q"

    @property
    def ids(self) -> list[str]:
        return [message.id for message in self.messages]

    @property
    def types(self) -> list[str]:
        return [message.type for message in self.messages]

    def script(self, *handlers: Handler) -> None:
        """How the next requests are answered; the last handler stays."""
        self._script = in_turn(*handlers)

    def wait_for_messages(self, number: int = 1, *, seconds: float = 15) -> list[Message]:
        found = self.wait_for(lambda: len(self.messages) >= number, seconds=seconds)
        assert found, (len(self.messages), [request.headers for request in self.refused])
        return self.messages

    def wait_for(self, condition: Callable[[], bool], *, seconds: float = 15) -> bool:
        return self.server.wait_for(condition, seconds=seconds)

    async def _take(self, exchange: Exchange) -> None:
        try:
            Webhook(self.secret).verify(exchange.request.body, exchange.request.headers)
        except WebhookVerificationError:
            self.server._note(lambda: self.refused.append(exchange.request))
            await exchange.answer(400, {}, b"not verified")
            return
        self.server._note(lambda: self.messages.append(_read(exchange.request)))
        await self._script(exchange)


def _read(request: Received) -> Message:
    body = json.loads(request.body)
    return Message(
        id=request.headers["webhook-id"], type=body["type"], data=body["data"], body=request.body, request=request
    )


async def hang(exchange: Exchange) -> None:
    """Take the request and never answer."""
    await exchange.gone()


async def close_early(exchange: Exchange) -> None:
    """Break the connection instead of answering."""
    exchange.cut()


async def talk_garbage(exchange: Exchange) -> None:
    """Something that is no HTTP."""
    await exchange.raw(b"\x00\xffSSH-2.0-nonsense\r\n\r\n")
    await exchange.finish()


async def send_for_ever(exchange: Exchange) -> None:
    """A good head, and a body that does not end."""

    async def pour() -> None:
        while True:
            await exchange.chunk(PIECE)

    await exchange.begin(200, {"Content-Type": "text/plain"})
    await exchange.while_there(pour())


async def stall(exchange: Exchange) -> None:
    """A good head, the beginning of a body, and no more."""
    await exchange.begin(200)
    await exchange.chunk(b"so far")
    await exchange.gone()


def after(seconds: float, handler: Handler) -> Handler:
    """An answer that takes a while."""

    async def handle(exchange: Exchange) -> None:
        await asyncio.sleep(seconds)
        await handler(exchange)

    return handle
