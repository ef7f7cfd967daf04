"""Whatever answers one HTTP request, as agents of cursor-agents called it."""

import json
from typing import Any

from tests.wire.server import Exchange, Handler, Received, StandIn, WireServer


class PlainTarget(StandIn):
    """Answers every request in the same way, or as `handler` does."""

    def __init__(
        self, status: int = 200, body: bytes | Any = b"done", *, handler: Handler | None = None, **headers: str
    ) -> None:
        self._status = status
        self._body = body if isinstance(body, bytes) else json.dumps(body).encode()
        usual = "text/plain" if isinstance(body, bytes) else "application/json"
        self._headers = {"Content-Type": usual, **{name.replace("_", "-"): value for name, value in headers.items()}}
        self.server = WireServer(handler or self._answer)

    @property
    def url(self) -> str:
        return f"{self.server.url}/run"

    @property
    def request(self) -> Received:
        """The only request that came."""
        (request,) = self.server.requests
        return request

    @property
    def json(self) -> Any:
        """Its body."""
        return json.loads(self.request.body)

    async def _answer(self, exchange: Exchange) -> None:
        is_head = exchange.request.method == "HEAD"
        length = {"Content-Length": str(len(self._body))}
        await exchange.answer(self._status, {**self._headers, **length}, b"" if is_head else self._body)
