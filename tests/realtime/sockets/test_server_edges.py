"""What strangers can do to the web server itself, below every conversation and before every sign-in."""

import asyncio
import base64
import http.client
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Self

import pytest
from websockets.frames import Close, Frame, Opcode

from accounts.models import User
from personalq.serving.transports import EndingTransport
from tests.realtime.sockets.conftest import Connect
from tests.realtime.sockets.raw import Line, head
from tests.realtime.sockets.serving import DEADLINE_SECONDS, WebProcess, wait_for

pytestmark = [pytest.mark.security, pytest.mark.django_db]

HEAD_SECONDS = 2.0
GROWTH_BYTES = 20 * 1024 * 1024
# Twenty times as much as the server takes at once.
FLOOD_FRAMES = 20_000
FLOODS_AT_MOST = 100


@pytest.fixture(scope="module")
def edge(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProcess]:
    arguments = ("--head-seconds", str(HEAD_SECONDS))
    # Nobody here is closed for not signing in, unless a test is about that.
    with WebProcess(tmp_path_factory.mktemp("edge"), arguments=arguments, PERSONALQ_SOCKET_AUTH_SECONDS="60") as web:
        assert healthz_seconds(web) < DEADLINE_SECONDS
        yield web
        assert web.complaints == []


class Upgraded(Line):
    """An event socket without a client library: it answers nothing by itself."""

    def __init__(self, web: WebProcess, *fields: str) -> None:
        super().__init__(web)
        self.say(upgrade(web, *fields))
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self.socket.recv(1)
        assert answer.startswith(b"HTTP/1.1 101"), answer

    def flood(self, frames: bytes) -> None:
        """Send without reading until the server has had enough."""
        with pytest.raises(ConnectionError):
            for _ in range(FLOODS_AT_MOST):
                self.say(frames)


def upgrade(web: WebProcess, *fields: str) -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    wanted = ["Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]
    return head(f"GET /ws/ HTTP/1.1\r\nHost: 127.0.0.1:{web.port}", *wanted, *fields)


def request(*fields: str) -> bytes:
    return head("GET /healthz HTTP/1.1", "Host: localhost", *fields)


def frame(opcode: Opcode, data: bytes = b"", *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=True)


def healthz_seconds(web: WebProcess) -> float:
    """How long somebody else waits for an answer."""
    started = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=DEADLINE_SECONDS)
    connection.request("GET", "/healthz", headers={"Host": "localhost"})
    assert connection.getresponse().status == 200
    connection.close()
    return time.monotonic() - started


class Onlooker:
    """Somebody who keeps asking while something else happens; knows the longest wait and the most memory."""

    def __init__(self, web: WebProcess) -> None:
        self._web = web
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._before = web.memory_bytes
        self.waits: list[float] = []
        self.growth_bytes = 0

    def __enter__(self) -> Self:
        self._thread.start()
        wait_for(lambda: self.waits, "the first answer")
        return self

    def __exit__(self, *_: object) -> None:
        asked = len(self.waits)
        wait_for(lambda: len(self.waits) > asked or not self._thread.is_alive(), "an answer after the attack")
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._is_over.is_set():
            self.waits.append(healthz_seconds(self._web))
            self.growth_bytes = max(self.growth_bytes, self._web.memory_bytes - self._before)


FLOODS = {
    "empty fragments": (frame(Opcode.TEXT, b"{", fin=False), frame(Opcode.CONT, fin=False)),
    "short fragments": (frame(Opcode.TEXT, b"{", fin=False), frame(Opcode.CONT, b" ", fin=False)),
    "pings": (b"", frame(Opcode.PING, b"x" * 125)),
    "empty pings": (b"", frame(Opcode.PING)),
    "pongs": (b"", frame(Opcode.PONG)),
    "messages": (b"", frame(Opcode.TEXT, b"{}")),
}


@pytest.mark.parametrize(("start", "again"), FLOODS.values(), ids=FLOODS.keys())
def test_flood_of_frames_ends_the_socket_and_disturbs_nobody(start: bytes, again: bytes, edge: WebProcess) -> None:
    with Onlooker(edge) as onlooker, Upgraded(edge) as stranger:
        stranger.flood(start + again * FLOOD_FRAMES)
    assert max(onlooker.waits) < 5
    assert onlooker.growth_bytes < GROWTH_BYTES


@pytest.mark.parametrize("small", [frame(Opcode.PING, b"x"), frame(Opcode.CONT, fin=False)], ids=["pings", "fragments"])
def test_somewhat_too_many_frames_close_with_4429(small: bytes, edge: WebProcess) -> None:
    with Upgraded(edge) as stranger:
        stranger.say(frame(Opcode.TEXT, b"{", fin=False) + small * 150)
        heard = stranger.hear_all()
    assert heard.endswith(Frame(Opcode.CLOSE, Close(4429, "rate_limited").serialize()).serialize(mask=False))


def test_peer_that_answers_no_close_is_cut_off(tmp_path: Any, transactional_db: None) -> None:
    with WebProcess(tmp_path, PERSONALQ_SOCKET_AUTH_SECONDS="1") as web, Upgraded(web) as stranger:
        heard = b""
        while bytes([0x88]) not in heard:
            heard += stranger.socket.recv(1)
        closed = time.monotonic()
        stranger.hear_all()
        assert time.monotonic() - closed < 7


async def test_closed_transport_does_not_wait_for_a_peer_that_never_reads() -> None:
    loop, lost = asyncio.get_running_loop(), asyncio.Event()

    class Writer(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            ending = EndingTransport(transport, loop, linger_seconds=0.1)
            ending.write(bytes(32 * 1024 * 1024))
            ending.close()

        def connection_lost(self, exc: Exception | None) -> None:
            lost.set()

    server = await loop.create_server(Writer, "127.0.0.1", 0)
    with socket.create_connection(server.sockets[0].getsockname()):
        await asyncio.wait_for(lost.wait(), 10)
    server.close()
    await server.wait_closed()


def test_upgrade_with_a_field_too_long_for_it_is_not_left_open(edge: WebProcess) -> None:
    with Line(edge) as stranger:
        stranger.say(upgrade(edge, "X-Long: " + "x" * 10_000))
        assert stranger.hear_all().startswith(b"HTTP/1.1 431")


@pytest.mark.parametrize(
    "fields",
    [("X-Long: " + "x" * 80 * 1024,), tuple(f"X-{n}: " + "x" * 8_000 for n in range(10)), ("X: y",) * 101],
    ids=["one long field", "ten long fields", "many fields"],
)
def test_head_too_large_is_refused(fields: tuple[str, ...], edge: WebProcess) -> None:
    with Line(edge) as stranger:
        stranger.say(request(*fields))
        assert stranger.hear_all().startswith(b"HTTP/1.1 431")


def test_long_address_is_refused(edge: WebProcess) -> None:
    with Line(edge) as stranger:
        stranger.say(head("GET /" + "x" * 80 * 1024 + " HTTP/1.1", "Host: localhost"))
        assert stranger.hear_all().startswith(b"HTTP/1.1 431")


ENDLESS = {
    "field": (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-A: ", b"a" * 65_536),
    "fields": (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n", b"X-A: a\r\n" * 8_192),
    "blank lines": (b"", b"\r\n" * 32_768),
    "trailer": (b"POST /healthz HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-A: ", b"a" * 65_536),
    "requests": (b"", request() * 4_096),
}


@pytest.mark.parametrize(("start", "again"), ENDLESS.values(), ids=ENDLESS.keys())
def test_endless_request_ends_early_and_costs_little(start: bytes, again: bytes, edge: WebProcess) -> None:
    with Onlooker(edge) as onlooker, Line(edge) as stranger, pytest.raises(ConnectionError):
        stranger.say(start)
        for _ in range(1_000):
            stranger.say(again)
    assert max(onlooker.waits) < 5
    assert onlooker.growth_bytes < GROWTH_BYTES


@pytest.mark.parametrize("said", [b"", b"\r\n", b"GET /healthz HTTP/1.1\r\nHost: local"], ids=["none", "blank", "half"])
def test_head_that_does_not_come_is_not_waited_for(said: bytes, edge: WebProcess) -> None:
    started = time.monotonic()
    with Line(edge) as stranger:
        stranger.say(said)
        assert stranger.hear_all() == b""
        assert HEAD_SECONDS - 0.5 < time.monotonic() - started < HEAD_SECONDS + 5


def test_half_a_second_request_is_not_waited_for(edge: WebProcess) -> None:
    with Line(edge) as stranger:
        stranger.say(request())
        assert stranger.socket.recv(65_536).startswith(b"HTTP/1.1 200")
        stranger.say(b"GET /hea")
        started = time.monotonic()
        stranger.hear_all()
        assert time.monotonic() - started < HEAD_SECONDS + 5


def test_dripping_head_does_not_gain_time(edge: WebProcess) -> None:
    with Line(edge) as stranger:
        started = time.monotonic()
        stranger.socket.settimeout(0.1)
        for letter in b"GET /healthz HTTP/1.1\r\nX-A: " + b"a" * 1_000:
            try:
                stranger.say(bytes([letter]))
                if not stranger.socket.recv(1):
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        assert time.monotonic() - started < HEAD_SECONDS + 5


def test_thousand_idle_connections_keep_nobody_out(edge: WebProcess) -> None:
    with ExitStack() as stack:
        for _ in range(1_050):
            stack.enter_context(Line(edge))
        assert healthz_seconds(edge) < DEADLINE_SECONDS


class TestOrdinaryClients:
    def test_many_fields_and_a_long_one_are_taken(self, edge: WebProcess) -> None:
        with Line(edge) as client:
            client.say(request("X-Long: " + "x" * 40_000, *["X: y"] * 90, "Connection: close"))
            assert client.hear_all().startswith(b"HTTP/1.1 200")

    def test_connection_is_used_again_and_again(self, edge: WebProcess) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", edge.port, timeout=30)
        connection.connect()
        first, started = connection.sock, time.monotonic()
        while time.monotonic() - started < HEAD_SECONDS + 1:
            connection.request("GET", "/healthz", headers={"Host": "localhost"})
            assert connection.getresponse().read() == b'{"status": "ok"}'
            assert connection.sock is first
        connection.close()

    def test_a_few_requests_may_be_sent_at_once(self, edge: WebProcess) -> None:
        with Line(edge) as client:
            client.say(request() * 9 + request("Connection: close"))
            assert client.hear_all().count(b"HTTP/1.1 200") == 10

    def test_socket_outlives_the_deadline_of_its_head(self, edge: WebProcess, transactional_db: None) -> None:
        with Upgraded(edge) as client:
            client.socket.settimeout(HEAD_SECONDS + 1)
            with pytest.raises(TimeoutError):
                client.socket.recv(1)

    @pytest.mark.django_db(transaction=True)
    def test_long_message_fragments_and_pings(self, edge: WebProcess, connect: Connect, alice: User) -> None:
        client = connect(alice, url=edge.url)
        client.send('{"action": "ping"}'.ljust(60 * 1024))
        assert client.hear() == {"event": "pong"}
        client.connection.send(iter(['{"action"', ": ", '"ping"', "}"]))
        assert client.hear() == {"event": "pong"}
        client.connection.send(iter(" " * 50 + json.dumps({"action": "ping"})))
        assert client.hear() == {"event": "pong"}
        for _ in range(3):
            assert client.connection.ping().wait(10)
        assert client.ask("ping") == {"event": "pong"}
