import asyncio
import json
from typing import Any

import pytest
from pytest_django import Settings

from personalq.lib.asgi import (
    DROPPED_HEADERS,
    LARGE_BODIES_AT_ONCE,
    BodyLimit,
    ByPath,
    Headers,
    Message,
    Receive,
    Scope,
    Send,
)
from personalq.lib.security_headers import FIXED_HEADERS

pytestmark = [pytest.mark.security, pytest.mark.usefixtures("loopback")]

GONE: Message = {"type": "http.disconnect"}
LIMITS = {"/api/v1/tasks": 100, "/api/v1/tasks/small": 5}


class Application:
    """Reads its body to the end and remembers what it saw."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.scopes: list[Scope] = []
        self.afterwards: list[Message] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        message = await receive()
        self.bodies.append(message["body"])
        assert not message["more_body"]
        self.afterwards.append(await receive())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})


class Exchange:
    """One request against BodyLimit, message by message."""

    def __init__(self, *messages: Message | Exception, **options: Any) -> None:
        self.application = Application()
        self.limit = BodyLimit(self.application, limits=LIMITS, default_limit=10, **options)
        self.messages = list(messages)
        self.received = 0
        self.stalls = False
        self.sent: list[Message] = []

    async def run(self, *headers: tuple[bytes, bytes], path: str = "/x", **scope: Any) -> "Exchange":
        await self.limit(
            {
                "type": "http",
                "method": "POST",
                "path": path,
                "headers": list(headers),
                "scheme": "http",
                **scope,
            },
            self._receive,
            self._send,
        )
        return self

    async def _receive(self) -> Message:
        self.received += 1
        if self.stalls and not self.messages:
            await asyncio.Event().wait()
        if not self.messages:
            return GONE
        message = self.messages.pop(0)
        if isinstance(message, Exception):
            raise message
        return message

    async def _send(self, message: Message) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int:
        status: int = self.sent[0]["status"]
        return status

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def problem(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.sent[1]["body"])
        return parsed

    @property
    def seen_headers(self) -> Headers:
        seen: Headers = self.application.scopes[0]["headers"]
        return seen


CHUNKED = (b"transfer-encoding", b"chunked")


def part(body: bytes, *, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


def length(number: int | str) -> tuple[bytes, bytes]:
    return (b"content-length", str(number).encode())


async def test_body_within_the_limit_arrives() -> None:
    exchange = await Exchange(part(b"12345", more=True), part(b"67890"), GONE).run(length(10))
    assert exchange.status == 200
    assert exchange.application.bodies == [b"1234567890"]
    assert exchange.application.afterwards == [GONE]
    assert exchange.seen_headers == [length(10)]


async def test_body_one_byte_over_the_limit_is_refused_unread() -> None:
    exchange = await Exchange(part(b"x" * 11)).run(length(11), path="/api/v1/x")
    assert exchange.status == 413
    assert exchange.problem["code"] == "payload_too_large"
    assert "10 bytes" in exchange.problem["detail"]
    assert exchange.received == 0
    assert exchange.headers["connection"] == "close"


@pytest.mark.parametrize(
    ("path", "size", "status"),
    [
        ("/api/v1/tasks", 100, 200),
        ("/api/v1/tasks", 101, 413),
        ("/api/v1/tasks/", 100, 200),
        ("/api/v1/tasks/123/cancel", 100, 200),
        ("/api/v1/tasks/small", 6, 413),
        ("/api/v1/tasksx", 11, 413),
        ("/api/v1/tasks-x", 11, 413),
        ("/other", 10, 200),
    ],
)
async def test_limit_is_that_of_the_longest_prefix(path: str, size: int, status: int) -> None:
    exchange = await Exchange(part(b"x" * size), GONE).run(length(size), (b"cookie", b"s=1"), path=path)
    assert exchange.status == status


async def test_strangers_limit_is_no_larger_than_that_of_the_path() -> None:
    exchange = await Exchange(part(b"x" * 6), GONE).run(length(6), path="/api/v1/tasks/small")
    assert exchange.status == 413


async def test_dropped_headers_are_told_by_the_names_that_they_imitate() -> None:
    exchange = await Exchange(part(b"")).run((b"X_Webhook_Secret", b"1"), (b"x-kept", b"1"))
    assert exchange.application.scopes[0][DROPPED_HEADERS] == {b"x-webhook-secret"}


@pytest.mark.parametrize(("header", "status"), [(b"authorization", 200), (b"cookie", 200), (b"x-other", 413)])
async def test_strangers_get_the_small_limit_everywhere(header: bytes, status: int) -> None:
    exchange = await Exchange(part(b"x" * 100), GONE).run(length(100), (header, b"x"), path="/api/v1/tasks")
    assert exchange.status == status


async def test_chunked_body_gets_its_true_length() -> None:
    exchange = await Exchange(part(b"123", more=True), part(b"", more=True), part(b"45"), GONE).run(CHUNKED)
    assert exchange.application.bodies == [b"12345"]
    assert exchange.seen_headers == [length(5)]


async def test_chunked_body_over_the_limit_is_refused_while_it_comes() -> None:
    endless = [part(b"x" * 6, more=True) for _ in range(1000)]
    exchange = await Exchange(*endless).run(CHUNKED)
    assert exchange.status == 413
    assert exchange.received == 2


async def test_empty_chunked_body_has_length_zero() -> None:
    assert (await Exchange(part(b""), GONE).run(CHUNKED)).seen_headers == [length(0)]


async def test_request_without_a_body_gets_no_length() -> None:
    assert (await Exchange(part(b""), GONE).run()).seen_headers == []


async def test_body_without_any_announcement_is_measured() -> None:
    exchange = await Exchange(part(b"123"), GONE).run()
    assert exchange.seen_headers == [length(3)]


@pytest.mark.parametrize(("announced", "body"), [(3, b"12345"), (9, b"12345"), (0, b"1")])
async def test_lying_length_is_refused(announced: int, body: bytes) -> None:
    exchange = await Exchange(part(body)).run(length(announced))
    assert (exchange.status, exchange.application.bodies) == (400, [])


@pytest.mark.parametrize(
    "headers",
    [
        [length(5), CHUNKED],
        [length(5), length(5)],
        [length(5), length(6)],
        [CHUNKED, CHUNKED],
        [(b"transfer-encoding", b"gzip, chunked")],
        [(b"transfer-encoding", b"identity")],
        [(b"transfer-encoding", b"xchunked")],
        [length("-1")],
        [length("+5")],
        [length("5, 5")],
        [length("0x5")],
        [length("")],
        [length("5 ")],
        [(b"content-length", "\u0665".encode())],
        [(b"content-length", b"\xb2")],
        [length("9" * 30)],
    ],
)
async def test_doubtful_lengths_are_refused(headers: Headers) -> None:
    exchange = await Exchange(part(b"12345")).run(*headers)
    assert (exchange.status, exchange.received) == (400, 0)


HOST = (b"host", b"localhost")


@pytest.mark.parametrize(
    ("version", "headers"),
    [
        ("1.1", []),
        ("1.1", [HOST, (b"host", b"evil.example")]),
        ("1.1", [HOST, HOST]),
        ("1.0", [HOST, HOST]),
        ("1.0", [HOST, CHUNKED]),
        ("0.9", [HOST]),
        ("1.2", [HOST]),
        ("2.0", [HOST]),
    ],
)
async def test_what_a_proxy_may_have_read_in_another_way_is_refused(version: str, headers: Headers) -> None:
    """RFC 9112, 3.2 and 6.1."""
    exchange = await Exchange(part(b"")).run(*headers, http_version=version)
    assert (exchange.status, exchange.received, exchange.application.bodies) == (400, 0, [])


@pytest.mark.parametrize(
    ("version", "headers"), [("1.1", [HOST]), ("1.0", []), ("1.0", [HOST]), ("1.1", [HOST, CHUNKED])]
)
async def test_what_has_one_reading_is_let_in(version: str, headers: Headers) -> None:
    assert (await Exchange(part(b""), GONE).run(*headers, http_version=version)).status == 200


async def test_raw_bytes_in_the_address_are_refused() -> None:
    assert (await Exchange(part(b"")).run(query_string=b"a=\xff")).status == 400


async def test_client_that_leaves_midway_ends_it_quietly() -> None:
    exchange = await Exchange(part(b"12", more=True), GONE).run(length(5))
    assert (exchange.sent, exchange.application.bodies) == ([], [])


async def test_slow_body_is_given_up() -> None:
    exchange = Exchange(part(b"1", more=True), timeout_seconds=0.05)
    exchange.stalls = True
    await asyncio.wait_for(exchange.run(length(5)), timeout=5)
    assert exchange.status == 408
    assert exchange.problem["code"] == "request_timeout"


async def test_time_is_counted_for_the_whole_body() -> None:
    class Dripping(Exchange):
        async def _receive(self) -> Message:
            await asyncio.sleep(0.02)
            return part(b"", more=True)

    exchange = await asyncio.wait_for(Dripping(timeout_seconds=0.1).run(CHUNKED), timeout=5)
    assert exchange.status == 408


async def test_headers_with_underscores_are_dropped() -> None:
    exchange = await Exchange(part(b""), GONE).run(
        (b"x_forwarded_for", b"6.6.6.6"), (b"content_length", b"5"), (b"x-kept", b"1")
    )
    assert exchange.seen_headers == [(b"x-kept", b"1")]


async def test_refusals_carry_all_security_headers() -> None:
    exchange = await Exchange().run(length(11))
    for name, value in FIXED_HEADERS.items():
        assert exchange.headers[name.lower()] == value
    assert exchange.headers["cache-control"] == "no-store"
    assert exchange.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert exchange.headers["x-request-id"] == exchange.problem["request_id"]
    assert "strict-transport-security" not in exchange.headers


async def test_refusals_over_https_carry_hsts(settings: Settings) -> None:
    settings.SECURE_HSTS_SECONDS = 63_072_000
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = settings.SECURE_HSTS_PRELOAD = True
    headers = (await Exchange().run(length(11), scheme="https")).headers
    assert headers["strict-transport-security"] == "max-age=63072000; includeSubDomains; preload"


@pytest.mark.parametrize(
    ("peer", "said", "told"),
    [("127.0.0.1", b"https", 1), ("127.0.0.1", b"https, http", 0), ("203.0.113.9", b"https", 0)],
)
async def test_refusals_behind_a_proxy_carry_hsts_when_it_says_https(
    peer: str, said: bytes, told: int, settings: Settings
) -> None:
    settings.SECURE_HSTS_SECONDS = 63_072_000
    settings.PERSONALQ_TRUSTED_PROXIES = ["127.0.0.1"]
    exchange = await Exchange().run(length(11), (b"x-forwarded-proto", said), client=(peer, 1))
    assert list(exchange.headers).count("strict-transport-security") == told


async def test_people_get_a_page() -> None:
    exchange = await Exchange().run(length(11), (b"accept", b"text/html,*/*"), path="/tasks")
    assert exchange.headers["content-type"] == "text/html; charset=utf-8"
    assert "style-src 'self'" in exchange.headers["content-security-policy"]
    assert b"<h1>The request body is too large.</h1>" in exchange.sent[1]["body"]


async def test_programs_paths_never_get_a_page() -> None:
    exchange = await Exchange().run(length(11), (b"accept", b"text/html"), path="/webhooks/x")
    assert exchange.headers["content-type"] == "application/problem+json; charset=utf-8"


async def test_head_gets_no_body() -> None:
    assert (await Exchange().run(length(11), method="HEAD")).sent[1]["body"] == b""


@pytest.mark.parametrize("kind", ["websocket", "lifespan"])
async def test_other_connections_pass_untouched(kind: str, settings: Settings) -> None:
    seen: list[Any] = []

    async def application(*arguments: Any) -> None:
        seen.append(arguments)

    scope: Scope = {"type": kind, "headers": [(b"x_y", b"1")]}
    receive, send = Exchange()._receive, Exchange()._send
    await BodyLimit(application)(scope, receive, send)
    assert seen == [(scope, receive, send)]


class Crowd:
    """Large requests that stay inside the application until they are let go."""

    def __init__(self, **options: Any) -> None:
        self.inside = 0
        self.answered = 0
        self.let_go = asyncio.Event()
        limits = {"/door": 1000}
        self.limit = BodyLimit(self._stay, limits=limits, default_limit=10, admissions={"/door": _sender}, **options)

    async def _stay(self, _scope: Scope, _receive: Receive, _send: Send) -> None:
        self.inside += 1
        await self.let_go.wait()
        self.inside -= 1
        self.answered += 1

    async def send(self, path: str, *, size: int = 50) -> list[Message]:
        sent: list[Message] = []
        body: list[Message] = [{"type": "http.request", "body": b"x" * size, "more_body": False}]

        async def receive() -> Message:
            return body.pop()

        async def send(message: Message) -> None:
            sent.append(message)

        headers = [(b"content-length", str(size).encode())]
        scope = {"type": "http", "method": "POST", "path": path, "headers": headers, "scheme": "http"}
        await self.limit(scope, receive, send)
        return sent

    async def settle(self) -> int:
        for _ in range(50):
            await asyncio.sleep(0)
        return self.inside


async def _sender(scope: Scope) -> str:
    return str(scope["path"]).removeprefix("/door/")


def test_few_large_bodies_of_one_sender_are_held_at_once() -> None:
    async def crowd_in() -> None:
        crowd = Crowd()
        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(crowd.send("/door/one"))
            assert await crowd.settle() == LARGE_BODIES_AT_ONCE
            group.create_task(crowd.send("/door/two"))
            group.create_task(crowd.send("/door/one", size=5))
            assert await crowd.settle() == LARGE_BODIES_AT_ONCE + 2
            crowd.let_go.set()
        assert crowd.answered == 7
        assert not crowd.limit.turns._lines

    asyncio.run(crowd_in())


def test_whoever_waits_too_long_for_a_turn_is_told_to_come_again() -> None:
    async def crowd_in() -> None:
        crowd = Crowd(timeout_seconds=0.05)
        async with asyncio.TaskGroup() as group:
            for _ in range(LARGE_BODIES_AT_ONCE):
                group.create_task(crowd.send("/door/one"))
            await crowd.settle()
            assert (await crowd.send("/door/one"))[0]["status"] == 503
            crowd.let_go.set()

    asyncio.run(crowd_in())


@pytest.mark.parametrize(("path", "place"), [("/mcp", 0), ("/mcp/", 1), ("/mcp/x", 1), ("/", 1)])
async def test_requests_go_by_their_whole_path(path: str, place: int) -> None:
    seen: list[int] = []

    def application(number: int) -> Any:
        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            seen.append(number)

        return answer

    async def receive() -> Message:
        raise AssertionError

    async def send(message: Message) -> None:
        raise AssertionError

    await ByPath({"/mcp": application(0)}, otherwise=application(1))({"type": "http", "path": path}, receive, send)
    assert seen == [place]
