"""Outside systems whose answers a test writes, each under a name of its own."""

import asyncio
import json
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

from tests.wire import anthropic_server, openai_server
from tests.wire.server import Exchange, Handler, Received, StandIn, WireServer, in_turn

PATIENCE_SECONDS = 30


class Scripted(StandIn):
    """A server that finds the script of each request by the request's name."""

    def __init__(self, name_of: Callable[[Received], str]) -> None:
        self._name_of = name_of
        self._scripts: dict[str, Handler] = {}
        self._begins: dict[str, int] = {}
        self.server = WireServer(self._serve)

    def plays(self, name: str, *handlers: Handler) -> None:
        """The first request of this name meets the first handler, and so on; the last one stays.

        From now on only requests that are still to come are looked at.
        """
        self._begins[name] = len(self.server.requests)
        self._scripts[name] = in_turn(*handlers)

    def requests_for(self, name: str, method: str = "POST") -> list[Received]:
        later = self.server.requests[self._begins.get(name, 0) :]
        return [one for one in later if one.method == method and self._name_of(one) == name]

    def asked(self, name: str) -> list[dict[str, Any]]:
        """The JSON bodies that came under this name, oldest first."""
        return [json.loads(one.body) for one in self.requests_for(name)]

    def wait_for(self, name: str, number: int = 1) -> list[dict[str, Any]]:
        is_there = self.server.wait_for(lambda: len(self.requests_for(name)) >= number, seconds=PATIENCE_SECONDS)
        assert is_there, f"{len(self.requests_for(name))} of {number} requests for {name} came"
        return self.asked(name)

    async def _serve(self, exchange: Exchange) -> None:
        await self._scripts[self._name_of(exchange.request)](exchange)


def model_of(request: Received) -> str:
    """The model that is asked, or asked about."""
    if request.method == "GET":
        return request.path.rpartition("/")[2]
    return str(json.loads(request.body)["model"])


def path_of(request: Received) -> str:
    return request.path.removeprefix("/")


class Gate:
    """Closed until a test opens it; any number of handlers wait before it."""

    def __init__(self) -> None:
        self._is_open = False
        self._lock = threading.Lock()
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def passed(self) -> None:
        event = asyncio.Event()
        with self._lock:
            if self._is_open:
                return
            self._waiting.append((asyncio.get_running_loop(), event))
        await event.wait()

    def open(self) -> None:
        with self._lock:
            self._is_open = True
            for loop, event in self._waiting:
                loop.call_soon_threadsafe(event.set)


class Paused:
    """A handler whose answer stops after `first` until the gate opens.

    Without `ends` it says nothing more after `rest` and keeps the connection; `hung_up` tells that the client left.
    """

    def __init__(self, wire: ModuleType, first: bytes, rest: bytes, *, ends: bool = True) -> None:
        self.gate = Gate()
        self.hung_up = threading.Event()
        self._head, self._first, self._rest, self._ends = wire.head(), first, rest, ends

    async def __call__(self, exchange: Exchange) -> None:
        await exchange.begin(200, self._head)
        await exchange.chunk(self._first)
        is_whole = asyncio.Event()
        await exchange.while_there(self._go_on(exchange, is_whole))
        if not is_whole.is_set():
            self.hung_up.set()

    async def _go_on(self, exchange: Exchange, is_whole: asyncio.Event) -> None:
        await self.gate.passed()
        await exchange.chunk(self._rest)
        if not self._ends:
            await asyncio.Event().wait()
        await exchange.end()
        is_whole.set()


def knowing_model(name: str) -> Handler:
    """Answers the question whether there is such a model."""
    body = {"id": name, "type": "model", "object": "model", "display_name": name, "created": 1, "owned_by": "test"}

    async def handle(exchange: Exchange) -> None:
        await exchange.answer(200, {"Content-Type": "application/json"}, json.dumps(body).encode())

    return handle


def in_two(wire: ModuleType, first: str, second: str, *, tokens_in: int = 25, tokens_out: int = 15) -> Paused:
    """A whole answer that pauses between its two texts."""
    if wire is anthropic_server:
        begun = anthropic_server.start(tokens_in=tokens_in)
        ended = anthropic_server.stopped(tokens_out=tokens_out) + anthropic_server.STOP
    else:
        begun = openai_server.start()
        ended = openai_server.stopped() + openai_server.usage(tokens_in=tokens_in, tokens_out=tokens_out)
        ended += openai_server.DONE
    return Paused(wire, begun + wire.text(first), wire.text(second) + ended)
