"""A scripted HTTP/1.1 server on a real socket of this machine, with or without TLS.

    async def handle(exchange: Exchange) -> None:
        await exchange.begin(200, {"Content-Type": "text/event-stream"})
        await exchange.chunk(b"data: 1\n\n")
        await exchange.gone()            # until the client hangs up

    with WireServer(handle) as server:   # server.url, server.target, server.requests

It runs in a thread of its own with its own event loop, so tests of every kind may use it: plain ones, asynchronous
ones, and ones that start processes. Handlers run in that loop. An error in a handler fails the test when the server is
left, unless it only says that the client went away.
"""

import asyncio
import socket
import ssl
import struct
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

PATIENCE_SECONDS = 15
LARGEST_REQUEST_HEAD = 256 * 1024
REASONS = {200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 302: "Found", 429: "Too Many Requests"}


@dataclass(frozen=True, kw_only=True)
class Received:
    """One request as it came over the wire. Header names are in lower case; the last of several counts."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    server_name: str | None = None

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


@dataclass(kw_only=True)
class Exchange:
    """One request and the means to answer it, well or badly."""

    request: Received
    number: int
    _reader: asyncio.StreamReader = field(repr=False)
    _writer: asyncio.StreamWriter = field(repr=False)
    is_kept_alive: bool = True

    async def answer(self, status: int = 200, headers: Mapping[str, str] | None = None, body: bytes = b"") -> None:
        """A whole answer with its Content-Length."""
        await self._head(status, {"Content-Length": str(len(body)), **(headers or {})})
        await self.raw(body)

    async def begin(self, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """The head of an answer in chunks."""
        await self._head(status, {"Transfer-Encoding": "chunked", **(headers or {})})

    async def chunk(self, data: bytes) -> None:
        await self.raw(b"%x\r\n%b\r\n" % (len(data), data))

    async def end(self) -> None:
        await self.raw(b"0\r\n\r\n")

    async def raw(self, data: bytes) -> None:
        """These bytes, whatever HTTP says about them. Waits while the client does not read."""
        self._writer.write(data)
        await self._writer.drain()

    async def finish(self) -> None:
        """Close in an orderly way: the end of the answer for a client that got no length."""
        self.is_kept_alive = False
        self._writer.close()
        with suppress(ConnectionError, ssl.SSLError, TimeoutError):
            await self._writer.wait_closed()

    def cut(self) -> None:
        """Break the connection with a reset, as a crashed server does."""
        self.is_kept_alive = False
        connection = self._writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def gone(self) -> None:
        """Wait until the client has closed its side."""
        self.is_kept_alive = False
        with suppress(ConnectionError, ssl.SSLError):
            while await self._reader.read(65536):
                pass

    async def while_there(self, work: Coroutine[Any, Any, None]) -> None:
        """Do this until it is done or the client hangs up, whichever comes first."""
        both = [asyncio.ensure_future(work), asyncio.ensure_future(self.gone())]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in both:
                each.cancel()
            ends = await asyncio.gather(*both, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception) and not isinstance(end, (ConnectionError, ssl.SSLError)):
                raise end

    async def _head(self, status: int, headers: Mapping[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}", *(f"{k}: {v}" for k, v in headers.items())]
        await self.raw("\r\n".join([*lines, "", ""]).encode("latin-1"))


Handler = Callable[[Exchange], Awaitable[None]]


def in_turn(*handlers: Handler) -> Handler:
    """The first request meets the first handler, and so on; the last one stays."""
    remaining = list(handlers)

    async def handle(exchange: Exchange) -> None:
        handler = remaining.pop(0) if len(remaining) > 1 else remaining[0]
        await handler(exchange)

    return handle


def answering(status: int = 200, body: bytes = b"", **headers: str) -> Handler:
    """A handler of one whole answer; `Content_Type="x"` stands for the header Content-Type."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def handle(exchange: Exchange) -> None:
        await exchange.answer(status, named, body)

    return handle


class WireServer:
    """Serves `handler` on a free port of `address` until the block ends.

    `connections` counts every TCP connection that was accepted, also those that never sent a request;
    `requests` are the whole requests in the order in which they came; `closed` counts connections that have ended.
    """

    def __init__(
        self, handler: Handler, *, tls: ssl.SSLContext | None = None, address: str = "127.0.0.1", name: str = ""
    ) -> None:
        self.handler = handler
        self.address = address
        self.name = name or ("localhost" if address == "127.0.0.1" else address)
        self.requests: list[Received] = []
        self.errors: list[BaseException] = []
        self.connections = 0
        self.closed = 0
        self._tls = tls
        self._changed = threading.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        self._socket = socket.create_server((address, 0), family=_family(address), backlog=2048)
        self.port: int = self._socket.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="wire server", daemon=True)

    @property
    def target(self) -> str:
        """As it stands in PERSONALQ_INTERNAL_HOSTS."""
        host = f"[{self.name}]" if ":" in self.name else self.name
        return f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{self.target}"

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_SECONDS)
        self._loop.close()
        if self.errors:
            raise self.errors[0]

    def wait_for(self, condition: Callable[[], bool], *, seconds: float = PATIENCE_SECONDS) -> bool:
        """Whether the condition on this server's counters came true in time."""
        with self._changed:
            return self._changed.wait_for(condition, seconds)

    def wait_for_requests(self, number: int = 1) -> list[Received]:
        assert self.wait_for(lambda: len(self.requests) >= number), f"only {len(self.requests)} requests came"
        return self.requests

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_SECONDS)

    async def _open(self) -> None:
        # A short shutdown: clients of these tests hang up without the farewell of TLS.
        self._server = await asyncio.start_server(
            self._connected,
            sock=self._socket,
            limit=LARGEST_REQUEST_HEAD,
            ssl=self._tls,
            ssl_shutdown_timeout=0.2 if self._tls else None,
        )

    async def _close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # Transports report their end one turn later.
        await asyncio.sleep(0)
        await self._loop.shutdown_asyncgens()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._note(lambda: setattr(self, "connections", self.connections + 1))
        try:
            await self._converse(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        except Exception as error:  # noqa: BLE001 - raised again where the test can see it
            self.errors.append(error)
        finally:
            writer.transport.abort()
            self._note(lambda: setattr(self, "closed", self.closed + 1))

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_open = True
        while is_open:
            request = await _receive(reader, writer)
            self._note(lambda request=request: self.requests.append(request))  # type: ignore[misc]
            exchange = Exchange(request=request, number=len(self.requests), _reader=reader, _writer=writer)
            await self.handler(exchange)
            is_open = exchange.is_kept_alive and request.headers.get("connection", "").lower() != "close"

    def _note(self, change: Callable[[], None]) -> None:
        with self._changed:
            change()
            self._changed.notify_all()


class StandIn:
    """Somebody outside of this machine, played by a server of its own until the block ends."""

    server: WireServer

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def target(self) -> str:
        """As it stands in PERSONALQ_INTERNAL_HOSTS."""
        return self.server.target

    def __enter__(self) -> Self:
        self.server.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.server.__exit__(*error)


async def _receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Received(
        method=method,
        target=target,
        headers=headers,
        body=await _receive_body(reader, headers),
        server_name=getattr(writer.get_extra_info("ssl_object"), "requested_name", None),
    )


async def _receive_body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await reader.readexactly(int(headers.get("content-length", "0")))
    body = b""
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
    return body


def _family(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def each_chunk(data: bytes, size: int) -> Iterator[bytes]:
    """The data in pieces of at most `size` bytes, cut wherever they fall."""
    return (data[start : start + size] for start in range(0, len(data), size))
