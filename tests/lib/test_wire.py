"""The edge over real sockets, with both HTTP implementations that uvicorn has."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, cast

import pytest
import uvicorn
from django.core.asgi import get_asgi_application
from pytest_django import Settings

from personalq.lib.asgi import Application, BodyLimit

pytestmark = pytest.mark.security


class Server(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_listening = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_listening.set()


@pytest.fixture(params=["h11", "httptools"])
def port(request: pytest.FixtureRequest, loopback: Settings) -> Iterator[int]:
    loopback.ALLOWED_HOSTS = ["localhost"]
    listener = socket.create_server(("127.0.0.1", 0))
    limited = BodyLimit(cast("Application", get_asgi_application()), default_limit=1000, timeout_seconds=0.5)
    config = uvicorn.Config(
        limited,
        http=request.param,
        lifespan="off",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        log_config=None,
        timeout_graceful_shutdown=5,
    )
    server = Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    assert server.is_listening.wait(10)
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join(10)
    listener.close()
    assert not thread.is_alive()


class Answer:
    def __init__(self, raw: bytes) -> None:
        head, _, self.body = raw.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(first.split()[1]) if first else None
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def json(self) -> Any:
        return json.loads(self.body)


def send(port: int, *parts: bytes) -> Answer:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        for part in parts:
            connection.sendall(part)
        return Answer(read_all(connection))


def read_all(connection: socket.socket) -> bytes:
    raw = b""
    # A server that refuses a request may close before it has read all of it, which resets the connection.
    with suppress(ConnectionResetError):
        while received := connection.recv(65536):
            raw += received
    return raw


def head(path: str, *lines: str) -> bytes:
    wanted = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", *lines]
    return "\r\n".join([*wanted, "Connection: close", "", ""]).encode("latin-1")


CHUNKED = "Transfer-Encoding: chunked"


def test_chunked_body_reaches_the_view_whole(port: int) -> None:
    answer = send(port, head("/api/v1/raw", CHUNKED), b'5\r\n{"a":\r\n', b"3\r\n 1}\r\n", b"0\r\n\r\n")
    assert answer.status == 200
    assert answer.json() == {"data": {"a": 1}, "length": "8"}


def test_plain_body_reaches_the_view_whole(port: int) -> None:
    answer = send(port, head("/api/v1/raw/", "Content-Length: 7"), b'{"a":', b"1}")
    assert answer.json() == {"data": {"a": 1}, "length": "7"}


def test_announced_excess_is_refused_before_a_byte_of_it_is_sent(port: int) -> None:
    answer = send(port, head("/api/v1/raw", "Content-Length: 1001"))
    assert (answer.status, answer.json()["code"]) == (413, "payload_too_large")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "server" not in answer.headers


def test_excess_in_chunks_is_refused(port: int) -> None:
    answer = send(port, head("/api/v1/raw", CHUNKED), b"800\r\n" + b"x" * 0x800 + b"\r\n")
    assert (answer.status, answer.json()["code"]) == (413, "payload_too_large")


def test_slow_body_is_given_up(port: int) -> None:
    assert send(port, head("/api/v1/raw", "Content-Length: 7"), b"{").status == 408


def test_two_lengths_are_refused(port: int) -> None:
    assert send(port, head("/api/v1/raw", "Content-Length: 7", "Content-Length: 8"), b'{"a":1}').status == 400


def test_length_and_chunks_together_are_refused(port: int) -> None:
    answer = send(port, head("/api/v1/raw", "Content-Length: 7", CHUNKED), b'7\r\n{"a":1}\r\n0\r\n\r\n')
    assert answer.status == 400


def test_client_that_leaves_midway_harms_nobody(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(head("/api/v1/raw", "Content-Length: 7") + b"{")
    assert send(port, head("/api/v1/raw", "Content-Length: 2"), b"{}").status == 200


def test_twin_of_a_header_does_not_reach_the_view(port: int) -> None:
    lines = ("Content-Length: 0", "X_Forwarded_For: 6.6.6.6", "X_Request_Id: 1")
    answer = send(port, head("/api/v1/describe", *lines))
    assert not [name for name in answer.json()["headers"] if "FORWARDED" in name or "REQUEST_ID" in name]
