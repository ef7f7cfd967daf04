"""A-75: no route takes a body beyond its limit, however its length is told, and what is too much is not read."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

import pytest
from django.conf import settings

from personalq.lib.paths import is_older_path, is_spoken_path
from tests.access.matrix import MATRIX
from tests.realtime.sockets.raw import Line, head
from tests.realtime.sockets.serving import WebProcess

pytestmark = [pytest.mark.security, pytest.mark.django_db(transaction=True)]

SOME_ID: Final = "8a4ae0b6-3f0d-4a3c-9a53-0c1d0e4f5a6b"
# MCP is served beside the URL map; the last one is no route at all.
BESIDE: Final = ("/mcp", "/nothing/here")
ADDRESSES: Final = sorted({re.sub(r"\{\w+\}", SOME_ID, row.address) for row in MATRIX.values()} | set(BESIDE))
METHODS: Final = ("POST", "PUT", "PATCH", "DELETE", "GET", "OPTIONS", "PROPFIND")
# Written down here once more: a limit that is taken out of the product must be missed.
STRANGERS_BYTES: Final = 256 * 1024
SMALLER_BYTES: Final = {"/agent-tools": 64 * 1024, "/csp-reports": 16 * 1024}
LARGER_BYTES: Final = {"/api/v1/tasks": 3 * 1024 * 1024, "/tasks": 3 * 1024 * 1024, "/mcp": 3 * 1024 * 1024}
CREDENTIALS: Final = "Authorization: Bearer nobody.knows.it"


@pytest.fixture(scope="module")
def served(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProcess]:
    with WebProcess(tmp_path_factory.mktemp("bodies")) as process:
        yield process
        assert process.complaints == []


def limit_of(address: str, *, shows_credentials: bool) -> int:
    """The largest body in bytes; whoever shows nothing may send no more than anywhere else."""
    path = address.partition("?")[0]
    told = SMALLER_BYTES | LARGER_BYTES if shows_credentials else SMALLER_BYTES
    return next(
        (size for prefix, size in told.items() if path == prefix or path.startswith(f"{prefix}/")), STRANGERS_BYTES
    )


def answer_to(served: WebProcess, start: bytes, body: bytes = b"") -> tuple[int, bytes]:
    """Status and body of the answer to `start`, and what follows it, after which nothing more is sent."""
    with Line(served) as line:
        line.say(start)
        with suppress(ConnectionError):  # It was refused before all of it was sent.
            line.say(body)
        answer_head, _, answer = line.hear_all().partition(b"\r\n\r\n")
    return int(answer_head.split()[1]), answer


def faults_of_refusal(address: str, status: int, answer: bytes) -> list[str]:
    if status != 413:
        return [f"answered {status}"]
    document = json.loads(answer)
    if is_older_path(address):
        code = document["code"]
    else:
        code = document["result"]["error"] if is_spoken_path(address) else document["code"]
    return [] if code == "payload_too_large" else [f"another problem: {code}"]


def test_limits_are_those_of_the_settings() -> None:
    """The others are for senders who show a secret that is known: tests/webhooks/test_admission.py."""
    own = {
        prefix: size for prefix, size in settings.PERSONALQ_BODY_LIMITS.items() if not prefix.startswith("/webhooks")
    }
    assert own == SMALLER_BYTES | LARGER_BYTES
    assert settings.PERSONALQ_BODY_LIMIT_DEFAULT == STRANGERS_BYTES


@pytest.mark.parametrize("shows_credentials", [False, True], ids=["stranger", "with credentials"])
def test_one_byte_too_many_that_is_told_is_refused_at_every_route_before_any_of_it_is_sent(
    served: WebProcess, *, shows_credentials: bool
) -> None:
    for address in ADDRESSES:
        limit = limit_of(address, shows_credentials=shows_credentials)
        for method in METHODS:
            fields = [f"Content-Length: {limit + 1}", *([CREDENTIALS] if shows_credentials else [])]
            found = answer_to(served, head(f"{method} {address} HTTP/1.1", "Host: 127.0.0.1", *fields))
            # At once: a route that waits for the rest of the body does so for long.
            assert faults_of_refusal(address, *found) == [], (method, address)
    assert len(ADDRESSES) > 250


def test_one_byte_too_many_in_a_body_without_an_end_is_refused_at_every_route(served: WebProcess) -> None:
    for address in ADDRESSES:
        limit = limit_of(address, shows_credentials=False)
        start = head(f"POST {address} HTTP/1.1", "Host: 127.0.0.1", "Transfer-Encoding: chunked")
        # No last chunk: whoever waited for it would not answer.
        found = answer_to(served, start, b"%x\r\n" % (limit + 1) + b"x" * (limit + 1) + b"\r\n")
        assert faults_of_refusal(address, *found) == [], address


def test_the_largest_body_is_read_and_breaks_nothing_at_any_route(served: WebProcess) -> None:
    faults = dict[str, int]()
    for address in ADDRESSES:
        limit = limit_of(address, shows_credentials=False)
        fields = ("Content-Type: application/json", f"Content-Length: {limit}", "Connection: close")
        status, _ = answer_to(served, head(f"POST {address} HTTP/1.1", "Host: 127.0.0.1", *fields), b"x" * limit)
        faults |= {address: status} if status == 413 or status >= 500 else {}
    assert faults == {}
