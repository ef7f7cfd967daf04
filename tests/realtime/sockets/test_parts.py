"""The parts that sockets are made of, where a whole server would hide what they do."""

import asyncio
import multiprocessing
import threading
import time
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from pytest_django.fixtures import Settings

from realtime import announcer, frames, messages, origins, outbox
from realtime.announcer import Announcer
from realtime.bucket import TokenBucket
from realtime.frames import Frame
from realtime.guard import Guard
from realtime.messages import Authenticate
from realtime.outbox import Outbox
from realtime.refusals import TOKEN_EXPIRED, TOO_LONG, TOO_SLOW, Refused
from realtime.routing import websocket_application
from realtime.waiting_room import WaitingRoom
from tasks.feed import FeedEvent


class Wire:
    """Takes what is sent, as long as it is not stuck."""

    def __init__(self) -> None:
        self.sent: list[MutableMapping[str, Any]] = []
        self.is_free = asyncio.Event()
        self.is_free.set()

    async def send(self, message: MutableMapping[str, Any]) -> None:
        await self.is_free.wait()
        self.sent.append(message)

    @property
    def texts(self) -> list[str]:
        return [message["text"] for message in self.sent if message["type"] == "websocket.send"]


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - nothing tells of it, and no time has to pass
            await asyncio.sleep(0)


@pytest.mark.parametrize("noun", ["task", "schedule"])
def test_event_that_is_too_long_links_to_the_history_that_it_is_part_of(noun: str) -> None:
    uuid = uuid4()
    known: dict[str, Any] = {
        "id": 7,
        "task_id": None,
        "task": None,
        "owner_id": 1,
        "attempt": 0,
        "at": datetime.now(UTC),
    }
    event = FeedEvent(**{**known, noun: uuid}, kind="k", data={"text": "x" * frames.MAX_BYTES})
    assert f'"link":"/api/v1/{noun}s/{uuid}/events?after=6"' in frames.of_event(event).message["text"]


async def test_outbox_sends_in_order_and_closes_once() -> None:
    wire = Wire()
    box = Outbox(wire.send, limit_bytes=1_000)
    for text in ("one", "two"):
        box.offer(Frame.of(text))
    box.finish(TOKEN_EXPIRED)
    box.finish(TOO_SLOW)
    box.offer(Frame.of("three"))
    await box.run()
    assert wire.texts == ["one", "two", frames.of_refusal(TOKEN_EXPIRED).message["text"]]
    assert wire.sent[-1] == {"type": "websocket.close", "code": 4401}


async def test_replay_waits_for_room_and_live_frames_do_not() -> None:
    wire = Wire()
    wire.is_free.clear()
    box = Outbox(wire.send, limit_bytes=100)
    running = asyncio.create_task(box.run())
    putting = asyncio.create_task(put_all(box, 20))
    await until(lambda: box.stalled_seconds() > 0)
    assert not putting.done()
    wire.is_free.set()
    await putting
    await until(lambda: len(wire.texts) == 20)
    box.abandon()
    await running


async def put_all(box: Outbox, count: int) -> None:
    for number in range(count):
        await box.put(Frame.of(f"{number:010}"))


@pytest.mark.parametrize("frames_before", [0, 1])
async def test_client_that_takes_nothing_holds_nothing_for_long(
    frames_before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "CLOSING_SECONDS", 0.05)
    wire = Wire()
    wire.is_free.clear()
    box = Outbox(wire.send, limit_bytes=100)
    running = asyncio.create_task(box.run())
    if frames_before:
        box.offer(Frame.of("0123456789"))
        await until(lambda: box.stalled_seconds() > 0)
    for _ in range(20):
        box.offer(Frame.of("0123456789"))
    async with asyncio.timeout(20):
        await running
    assert wire.sent == []


async def test_client_that_stalls_in_a_replay_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.guard.STALLED_SECONDS", 0.05)
    wire = Wire()
    wire.is_free.clear()
    session = SessionWith(Outbox(wire.send, limit_bytes=100))
    running = asyncio.create_task(session.outbox.run())
    session.outbox.offer(Frame.of("0123456789"))
    guard = Guard([session], lambda *_: None)  # type: ignore[list-item]
    await until(lambda: look(guard, session.outbox))
    wire.is_free.set()
    await running
    assert wire.sent[-1] == {"type": "websocket.close", "code": 1013}


class SessionWith:
    """Just enough of a session to be looked at."""

    def __init__(self, box: Outbox) -> None:
        self.outbox = box


def look(guard: Guard, box: Outbox) -> bool:
    guard._end_stalled()
    return box.is_closing


async def test_server_that_lost_the_client_ends_the_outbox() -> None:
    async def broken(_: MutableMapping[str, Any]) -> None:
        raise OSError

    box = Outbox(broken, limit_bytes=100)
    box.offer(Frame.of("one"))
    await box.run()
    assert box.is_closing


@pytest.mark.security
async def test_address_is_forgotten_before_the_server_can_log_it() -> None:
    scope = {"type": "websocket", "path": "/elsewhere", "query_string": b"token=canary", "headers": []}
    seen: list[bytes] = []

    async def send(_: MutableMapping[str, Any]) -> None:
        seen.append(scope["query_string"])  # type: ignore[arg-type]

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "websocket.connect"}

    await websocket_application(scope, receive, send)
    assert set(seen) == {b""}


async def test_waiting_room_pushes_out_who_waits_longest() -> None:
    room, boxes = WaitingRoom(2), [Outbox(Wire().send, limit_bytes=1_000) for _ in range(4)]
    for box in boxes[:3]:
        room.enter(box)
    room.leave(boxes[1])
    room.enter(boxes[3])
    assert [box.is_closing for box in boxes] == [True, False, False, False]


def test_bucket_refills_at_its_rate_up_to_its_burst() -> None:
    now = 0.0
    bucket = TokenBucket(rate=10, burst=3, clock=lambda: now)
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    now = 0.1
    assert [bucket.take() for _ in range(2)] == [True, False]
    now = 60.0
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]


def test_message_is_measured_in_bytes_whatever_the_server_lets_through() -> None:
    with pytest.raises(Refused) as refused:
        messages.parse("é" * 32_769)
    assert refused.value.refusal == TOO_LONG


def test_token_is_not_shown() -> None:
    assert "canary" not in repr(Authenticate("canary"))


@pytest.mark.security
def test_two_origins_are_none(settings: Settings) -> None:
    settings.ALLOWED_HOSTS, settings.PERSONALQ_HTTPS = ["own.example"], True
    host, origin = (b"host", b"own.example"), (b"origin", b"https://own.example")
    assert origins.is_allowed([host])
    assert origins.is_allowed([host, origin])
    assert not origins.is_allowed([host, origin, origin])
    assert not origins.is_allowed([host, host, origin])
    assert not origins.is_allowed([origin])


class StuckLayer:
    """A channel layer whose server accepts and never answers."""

    def __init__(self) -> None:
        self.sent = 0
        self.has_sent = threading.Event()
        self.may_answer = threading.Event()

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        self.sent += 1
        self.has_sent.set()
        await asyncio.get_running_loop().run_in_executor(None, self.may_answer.wait, 20)


def test_announcing_never_waits_and_many_become_one(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, began = StuckLayer(), time.monotonic()
    monkeypatch.setattr(announcer, "get_channel_layer", lambda: layer)
    mine = Announcer()
    mine.announce()
    assert layer.has_sent.wait(20)
    for _ in range(1_000):
        mine.announce()
    assert time.monotonic() - began < 5
    assert layer.sent == 1
    layer.has_sent.clear()
    layer.may_answer.set()
    assert layer.has_sent.wait(20)
    assert layer.sent == 2


def test_forked_child_announces_by_a_thread_of_its_own() -> None:
    announcer.announce()
    context = multiprocessing.get_context("fork")
    child = context.Process(target=exit_with_own_thread)
    child.start()
    child.join(20)
    assert child.exitcode == 0


def exit_with_own_thread() -> None:
    announcer.announce()
    is_own = any(thread.name == "announcer" and thread.is_alive() for thread in threading.enumerate())
    raise SystemExit(0 if is_own else 1)
