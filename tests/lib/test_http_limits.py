"""Calls that take too long, answers that are too large, and connections that are given back at once."""

import asyncio
import gzip
import os
import socket
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx2
import pytest
from pytest_django import Settings

from personalq.lib import http
from personalq.lib.http import HttpRefused, Limits, fetch
from personalq.lib.outbound import names as names_of_product
from tests.lib.outbound.inside import QUICK, inside, reason_of
from tests.lib.outbound.names import Names
from tests.wire.authority import Authority
from tests.wire.server import Exchange, Handler, answering

pytestmark = pytest.mark.security
LARGE = 50_000_000
SHORT = Limits(connect_seconds=0.3, read_seconds=0.3, total_seconds=0.6, response_bytes=100_000)


def open_sockets() -> int:
    """How many sockets this process has, apart from other descriptors."""
    descriptors = Path("/proc/self/fd")
    return sum(_target(descriptors / name).startswith("socket:") for name in os.listdir(descriptors))  # noqa: PTH208


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except FileNotFoundError:
        return ""


@contextmanager
def full_listener() -> Iterator[int]:
    """A port whose queue of connections is full: it answers nothing at all."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


async def becomes_true(condition: Callable[[], bool], *, seconds: float = 10) -> bool:
    """Whether it is so within this time: transports close in a later turn of the loop."""
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    return condition()


def received_until_the_end(connection: socket.socket) -> int:
    """How many bytes still come before the other side has closed."""
    received = 0
    with suppress(ConnectionResetError):
        while data := connection.recv(1_000_000):
            received += len(data)
    return received


async def endless(exchange: Exchange) -> None:
    await exchange.begin()
    while True:
        await exchange.chunk(b"x" * 8192)


async def silent(exchange: Exchange) -> None:
    await exchange.gone()


async def dripping(exchange: Exchange) -> None:
    await exchange.begin()
    await exchange.while_there(drops(exchange, b"1\r\nx\r\n"))


async def dripping_head(exchange: Exchange) -> None:
    await exchange.raw(b"HTTP/1.1 200 OK\r\n")
    await exchange.while_there(drops(exchange, b"X-Header: y\r\n"))


async def drops(exchange: Exchange, drop: bytes) -> None:
    for _ in range(90):
        await exchange.raw(drop)
        await asyncio.sleep(0.05)


async def endlessly_preliminary(exchange: Exchange) -> None:
    while True:
        await exchange.raw(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        await asyncio.sleep(0.01)


async def silent_body(exchange: Exchange) -> None:
    await exchange.begin()
    await exchange.chunk(b"x")
    await exchange.gone()


class TestTime:
    @pytest.mark.parametrize("handler", [silent, silent_body, dripping, dripping_head, endlessly_preliminary])
    async def test_slow_answer_is_cut(self, handler: Handler, settings: Settings) -> None:
        with inside(settings, handler) as server:
            begun = time.monotonic()
            assert await reason_of(server.url, limits=SHORT) == "too_slow"
            assert time.monotonic() - begun < 3
            assert server.wait_for(lambda: server.closed == 1, seconds=3)

    async def test_silence_is_cut_before_the_total_time(self, settings: Settings) -> None:
        with inside(settings, silent_body) as server:
            begun = time.monotonic()
            await reason_of(server.url, limits=Limits(read_seconds=0.2, total_seconds=20))
            assert time.monotonic() - begun < 5

    async def test_drops_are_cut_by_the_total_time_although_none_is_late(self, settings: Settings) -> None:
        with inside(settings, dripping) as server:
            begun = time.monotonic()
            await reason_of(server.url, limits=Limits(read_seconds=5, total_seconds=0.5))
            assert 0.4 < time.monotonic() - begun < 4

    async def test_total_time_ends_a_silence_that_is_allowed(self, settings: Settings) -> None:
        with inside(settings, silent_body) as server:
            begun = time.monotonic()
            assert await reason_of(server.url, limits=Limits(read_seconds=20, total_seconds=0.5)) == "too_slow"
            assert time.monotonic() - begun < 5

    async def test_reader_that_always_finds_something_is_cut_by_the_total_time(self, settings: Settings) -> None:
        limits = Limits(total_seconds=0.5, response_bytes=10**9)
        begun = time.monotonic()
        with inside(settings, endless) as server:
            async with http.client(limits=limits) as client, client.stream("GET", server.url) as response:
                with pytest.raises(HttpRefused, match="longer than allowed"):
                    async for _ in response.aiter_bytes():
                        # Work of the reader's own, meanwhile more comes in.
                        await asyncio.sleep(0.02)
                        assert time.monotonic() - begun < 5

    async def test_server_that_does_not_take_the_request_is_given_up(self, settings: Settings) -> None:
        with socket.create_server(("127.0.0.1", 0)) as deaf:
            port = deaf.getsockname()[1]
            settings.PERSONALQ_INTERNAL_HOSTS = [f"127.0.0.1:{port}"]
            url = f"http://127.0.0.1:{port}/"
            before = open_sockets()
            assert await reason_of(url, limits=SHORT, method="POST", body=b"x" * LARGE) == "too_slow"
            # Our end is closed although nobody takes what it still had to send.
            assert await becomes_true(lambda: open_sockets() <= before)

    async def test_connection_that_is_not_accepted_is_given_up(self, settings: Settings) -> None:
        with full_listener() as port:
            settings.PERSONALQ_INTERNAL_HOSTS = [f"127.0.0.1:{port}"]
            begun = time.monotonic()
            assert await reason_of(f"http://127.0.0.1:{port}/", limits=SHORT) in {"unreachable", "too_slow"}
            assert time.monotonic() - begun < 5

    async def test_name_server_that_does_not_answer_is_given_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        names = Names(monkeypatch, {"slow.example.com": [["93.184.215.14"]]})
        names.patience.clear()
        begun = time.monotonic()
        assert await reason_of("https://slow.example.com/", limits=SHORT) == "unreachable"
        assert time.monotonic() - begun < 5
        names.patience.set()

    async def test_many_who_ask_for_one_name_ask_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        names = Names(monkeypatch, {"busy.example.com": [["10.0.0.1"]]})
        names.patience.clear()
        calls = [asyncio.create_task(reason_of("https://busy.example.com/")) for _ in range(300)]
        await asyncio.to_thread(names.was_asked.wait, 10)
        names.patience.set()
        assert set(await asyncio.gather(*calls)) == {"address_refused"}
        assert len(names.asked) <= 3

    async def test_who_gives_up_does_not_take_the_answer_from_others(self, monkeypatch: pytest.MonkeyPatch) -> None:
        names = Names(monkeypatch, {"busy.example.com": [["10.0.0.1"]]})
        names.patience.clear()
        hasty = asyncio.create_task(reason_of("https://busy.example.com/", limits=SHORT))
        patient = asyncio.create_task(reason_of("https://busy.example.com/"))
        assert await hasty == "unreachable"
        names.patience.set()
        assert await patient == "address_refused"

    async def test_lookups_that_never_end_do_not_pile_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(names_of_product, "MOST_LOOKUPS", 2)
        names = Names(monkeypatch, {})
        names.patience.clear()
        calls = [
            asyncio.create_task(reason_of(f"https://slow{number}.example.com/", limits=Limits(connect_seconds=60)))
            for number in range(5)
        ]
        assert await becomes_true(lambda: sum(call.done() for call in calls) == 3, seconds=20)
        done, still = [call for call in calls if call.done()], [call for call in calls if not call.done()]
        assert [call.result() for call in done] == ["unreachable"] * 3
        names.patience.set()
        assert [await call for call in still] == ["host_not_found"] * 2

    async def test_sdk_can_shorten_the_time_but_not_lengthen_it(self, settings: Settings) -> None:
        with inside(settings, silent) as server:
            async with http.client(limits=Limits(read_seconds=5)) as client:
                with pytest.raises(HttpRefused, match="longer than allowed"):
                    await client.get(server.url, timeout=httpx2.Timeout(0.2, connect=5))
            async with http.client(limits=Limits(read_seconds=0.3, total_seconds=20)) as client:
                begun = time.monotonic()
                with pytest.raises(HttpRefused):
                    await client.get(server.url, timeout=httpx2.Timeout(60))
                assert time.monotonic() - begun < 5


def packed(handler_body: bytes, coding: str) -> Handler:
    return answering(200, handler_body, Content_Encoding=coding)


async def endless_nothing(exchange: Exchange) -> None:
    await exchange.begin(200, {"Content-Encoding": "deflate"})
    packing = zlib.compressobj()
    await exchange.chunk(packing.compress(b"x") + packing.flush(zlib.Z_SYNC_FLUSH))
    while True:
        # Stored blocks of no bytes.
        await exchange.chunk(b"\x00\x00\x00\xff\xff" * 1000)


async def many_headers(exchange: Exchange) -> None:
    await exchange.answer(200, {f"X-{number}": "y" for number in range(500)})


async def endless_header(exchange: Exchange) -> None:
    await exchange.raw(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while True:
        await exchange.raw(b"y" * 8192)


async def endless_headers(exchange: Exchange) -> None:
    await exchange.raw(b"HTTP/1.1 200 OK\r\n")
    while True:
        await exchange.raw(b"X-Header: y\r\n" * 100)


async def endless_status(exchange: Exchange) -> None:
    await exchange.raw(b"HTTP/1.1 200 ")
    while True:
        await exchange.raw(b"OK" * 4096)


class TestSize:
    async def test_endless_body_is_cut(self, settings: Settings) -> None:
        with inside(settings, endless) as server:
            assert await reason_of(server.url) == "too_large"
            assert server.wait_for(lambda: server.closed == 1, seconds=3)

    async def test_announced_size_is_refused_before_the_body(self, settings: Settings) -> None:
        async def announcing(exchange: Exchange) -> None:
            await exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100001\r\n\r\n")
            await exchange.gone()

        with inside(settings, announcing) as server:
            assert await reason_of(server.url) == "too_large"

    async def test_body_of_exactly_the_limit_is_taken(self, settings: Settings) -> None:
        with inside(settings, answering(200, b"x" * 100_000)) as server:
            assert len((await fetch("GET", server.url, limits=QUICK)).body) == 100_000

    async def test_stream_is_counted_while_it_is_read(self, settings: Settings) -> None:
        with inside(settings, endless) as server:
            got = 0
            async with http.client(limits=QUICK) as client, client.stream("GET", server.url) as response:
                with pytest.raises(HttpRefused) as caught:
                    async for piece in response.aiter_bytes():
                        got += len(piece)
            assert caught.value.reason == "too_large"
            assert got <= 100_000

    @pytest.mark.parametrize("handler", [many_headers, endless_header, endless_headers, endless_status])
    async def test_giant_head_is_refused(self, handler: Handler, settings: Settings) -> None:
        with inside(settings, handler) as server:
            assert await reason_of(server.url) == "bad_answer"

    async def test_bomb_is_noticed_before_it_takes_the_memory(self, settings: Settings) -> None:
        bomb = gzip.compress(bytes(90_000_000), 9)
        assert len(bomb) < QUICK.response_bytes
        with inside(settings, packed(bomb, "gzip")) as server:
            tracemalloc.start()
            assert await reason_of(server.url) == "too_large"
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert peak < 5_000_000

    async def test_packed_answer_that_holds_nothing_is_counted_as_it_comes(self, settings: Settings) -> None:
        with inside(settings, endless_nothing) as server:
            assert await reason_of(server.url) == "too_large"

    @pytest.mark.parametrize("coding", ["gzip, gzip", "gzip,deflate", "br", "zstd", "compress", "gzip gzip", "unknown"])
    async def test_other_and_nested_codings_are_refused(self, coding: str, settings: Settings) -> None:
        with inside(settings, packed(b"x", coding)) as server:
            assert await reason_of(server.url) == "bad_answer"

    @pytest.mark.parametrize(
        ("body", "coding"),
        [(gzip.compress(b"hello"), "gzip"), (gzip.compress(b"hello"), "X-GZIP"), (zlib.compress(b"hello"), "deflate")],
        ids=["gzip", "x-gzip", "deflate"],
    )
    async def test_packed_answer_that_nobody_asked_for_is_unpacked(
        self, body: bytes, coding: str, settings: Settings
    ) -> None:
        with inside(settings, packed(body, coding)) as server:
            answer = await fetch("GET", server.url)
            async with http.client() as client:
                through_client = await client.get(server.url)
        assert (answer.body, through_client.content) == (b"hello", b"hello")
        assert "content-encoding" not in answer.headers
        assert server.requests[0].headers["accept-encoding"] == "identity"
        assert server.requests[1].headers["accept-encoding"] == "identity"

    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (gzip.compress(b"hello")[:-4], "cut"),
            (gzip.compress(b"hello") + b"more", "bad_answer"),
            (gzip.compress(b"hello") * 2, "bad_answer"),
            (b"no gzip at all", "bad_answer"),
        ],
        ids=["cut", "followed", "twice", "none"],
    )
    async def test_broken_packing_is_refused(self, body: bytes, reason: str, settings: Settings) -> None:
        with inside(settings, packed(body, "gzip")) as server:
            assert await reason_of(server.url) == reason

    async def test_answer_without_a_body_may_announce_one(self, settings: Settings) -> None:
        async def announcing(exchange: Exchange) -> None:
            await exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\nContent-Encoding: gzip\r\n\r\n")

        with inside(settings, announcing) as server:
            assert (await fetch("HEAD", server.url)).body == b""


class TestLettingGo:
    """`closed` counts on the other side of the wire."""

    async def test_leaving_a_stream_closes_its_socket_at_once(self, settings: Settings) -> None:
        with inside(settings, dripping) as server:
            async with http.client() as client:
                async with client.stream("GET", server.url) as response:
                    await anext(response.aiter_bytes())
                assert server.wait_for(lambda: server.closed == 1, seconds=3)

    async def test_leaving_a_stream_under_tls_closes_its_socket_at_once(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        authority = Authority(tmp_path)
        authority.be_trusted(monkeypatch)
        with inside(settings, dripping, tls=authority.context()) as server:
            async with http.client() as client:
                async with client.stream("GET", server.url) as response:
                    await anext(response.aiter_bytes())
                assert server.wait_for(lambda: server.closed == 1, seconds=3)

    @pytest.mark.parametrize("handler", [dripping, silent, silent_body, dripping_head])
    async def test_cancelling_a_call_closes_its_socket_at_once(self, handler: Handler, settings: Settings) -> None:
        with inside(settings, handler) as server:
            call = asyncio.create_task(fetch("GET", server.url))
            await asyncio.to_thread(server.wait_for_requests)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert server.wait_for(lambda: server.closed == 1, seconds=3)

    async def test_cancelling_a_call_that_still_sends_stops_it_at_once(self, settings: Settings) -> None:
        with socket.create_server(("127.0.0.1", 0)) as deaf:
            port = deaf.getsockname()[1]
            settings.PERSONALQ_INTERNAL_HOSTS = [f"127.0.0.1:{port}"]
            call = asyncio.create_task(fetch("POST", f"http://127.0.0.1:{port}/", body=b"x" * LARGE))
            connection, _ = await asyncio.to_thread(deaf.accept)
            with connection:
                connection.settimeout(10)
                await asyncio.to_thread(connection.recv, 1, socket.MSG_PEEK)
                call.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await call
                # What the system had taken already comes; the rest does not.
                assert await asyncio.to_thread(received_until_the_end, connection) < LARGE

    async def test_no_socket_is_left_after_any_ending(self, settings: Settings) -> None:
        before = open_sockets()
        for handler in [answering(), answering(302), endless, silent, many_headers, packed(b"x", "br")]:
            with inside(settings, handler) as server:
                for _ in range(3):
                    try:
                        await fetch("GET", server.url, limits=SHORT)
                    except HttpRefused:
                        continue
        assert await becomes_true(lambda: open_sockets() <= before)

    async def test_connection_is_not_used_twice(self, settings: Settings) -> None:
        with inside(settings, answering(200, b"x")) as server:
            async with http.client() as client:
                for _ in range(3):
                    await client.get(server.url)
            assert (server.connections, len(server.requests)) == (3, 3)
            assert server.wait_for(lambda: server.closed == 3, seconds=3)
            assert {request.headers["connection"] for request in server.requests} == {"close"}

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
    async def test_call_is_made_once_even_when_the_connection_breaks(self, method: str, settings: Settings) -> None:
        async def cutting(exchange: Exchange) -> None:
            exchange.cut()

        with inside(settings, cutting) as server:
            assert await reason_of(server.url, method=method, body=b"x") == "cut"
            assert len(server.requests) == 1
