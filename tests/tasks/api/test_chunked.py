"""Bodies without Content-Length, through the ASGI entry that the product is served by."""

import json
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator

from accounts import tokens
from accounts.models import User
from personalq.asgi import application
from tasks.models import Agent, Task
from tests.makers import make_task

pytestmark = pytest.mark.django_db(transaction=True)


async def send_chunked(user: User, method: str, path: str, *chunks: bytes) -> tuple[int, dict[str, Any]]:
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "https",
        "path": f"/api/v1{path}",
        "raw_path": f"/api/v1{path}".encode(),
        "query_string": b"",
        "headers": [
            (b"host", b"testserver"),
            (b"authorization", f"Bearer {(await _token(user))}".encode()),
            (b"content-type", b"application/json"),
            (b"transfer-encoding", b"chunked"),
        ],
        "client": ("127.0.0.1", 1),
        "server": ("testserver", 443),
    }
    communicator: Any = ApplicationCommunicator(application, scope)  # type: ignore[no-untyped-call]
    for chunk in chunks:
        await communicator.send_input({"type": "http.request", "body": chunk, "more_body": True})
    await communicator.send_input({"type": "http.request", "body": b"", "more_body": False})
    start = await communicator.receive_output(timeout=10)
    body = b""
    while True:
        message = await communicator.receive_output(timeout=10)
        body += message.get("body", b"")
        if not message.get("more_body"):
            return start["status"], json.loads(body)


async def _token(user: User) -> str:
    return (await sync_to_async(tokens.issue_pair)(user)).access


async def test_a_chunked_body_is_read(alice: User, agent: Agent) -> None:
    status, body = await send_chunked(alice, "POST", "/tasks", b'{"agent": "scribe", ', b'"prompt": "in ', b'pieces"}')
    assert (status, body["prompt"]) == (201, "in pieces")


async def test_a_chunked_change_is_not_taken_for_an_empty_one(alice: User, agent: Agent) -> None:
    task = await _make(agent)
    status, body = await send_chunked(alice, "PATCH", f"/tasks/{task.uuid}", b'{"title"', b': "t"}')
    assert (status, body["title"]) == (200, "t")


async def test_a_chunked_reason_is_kept(alice: User, agent: Agent) -> None:
    task = await _make(agent)
    status, _ = await send_chunked(alice, "POST", f"/tasks/{task.uuid}/cancel", b'{"reason": ', b'"why"}')
    assert status == 200
    assert (await task.events.aget(kind="task_cancelled")).data["reason"] == "why"


async def test_a_chunked_body_has_the_same_limit(alice: User, agent: Agent) -> None:
    status, body = await send_chunked(alice, "POST", "/agents", *[b" " * 65_536] * 5)
    assert (status, body["code"]) == (413, "payload_too_large")


async def _make(agent: Agent) -> Task:
    return await sync_to_async(make_task)(agent)
