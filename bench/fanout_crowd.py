"""Many sockets in one process of their own, read with as little work as possible.

A client library per socket would measure itself. This one knows just enough of the protocol: it upgrades, says what
it is told to say, counts the frames that carry a time and notes how long they were on their way.
"""

import asyncio
import base64
import json
import multiprocessing
import os
import re
import struct
import time
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, cast

import uvloop

_SENT = re.compile(rb'"sent": ?(\d+)')
_EXTENDED_16, _EXTENDED_64 = 126, 127


@dataclass
class Tally:
    """What all sockets have received together."""

    frames: int = 0
    last_at: float = 0.0
    delays_ms: list[float] = field(default_factory=list)


class Listener(asyncio.Protocol):
    """One socket."""

    def __init__(self, host: str, messages: list[str], tally: Tally, is_ready: "asyncio.Future[None]") -> None:
        self._host = host
        self._messages = messages
        self._tally = tally
        self._is_ready = is_ready
        self._buffer = b""
        self._is_upgraded = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        key = base64.b64encode(os.urandom(16)).decode()
        self.transport.write(
            (
                f"GET /ws/ HTTP/1.1\r\nHost: {self._host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
            ).encode()
        )

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._is_upgraded:
            self._finish_upgrade()
        if self._is_upgraded:
            self._take_frames()

    def connection_lost(self, _: Exception | None) -> None:
        if not self._is_ready.done():
            self._is_ready.set_exception(ConnectionError("the server closed a socket before it listened"))

    def _finish_upgrade(self) -> None:
        head, separator, rest = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        if b" 101 " not in head.split(b"\r\n", 1)[0]:
            self.transport.close()
            return
        self._is_upgraded, self._buffer = True, rest
        self._say_next()

    def _take_frames(self) -> None:
        buffer, position = self._buffer, 0
        while (bounds := frame_bounds(buffer, position)) is not None:
            start, end = bounds
            self._take(buffer[position] & 15, buffer[start:end])
            position = end
        self._buffer = buffer[position:]

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == 9:  # a ping
            self.transport.write(masked(10, payload))
            return
        sent = _SENT.search(payload)
        if sent is None:
            self._say_next()
            return
        now = time.time()
        self._tally.frames += 1
        self._tally.last_at = now
        self._tally.delays_ms.append((now - int(sent[1]) / 1e9) * 1e3)

    def _say_next(self) -> None:
        """One message for each answer; who has said all is listening."""
        if self._messages:
            self.transport.write(masked(1, self._messages[0].encode()))
            self._messages = self._messages[1:]
        elif not self._is_ready.done():
            self._is_ready.set_result(None)


def frame_bounds(buffer: bytes, position: int) -> tuple[int, int] | None:
    """Where the payload of the frame at `position` begins and ends, or None while it is not complete."""
    left = len(buffer) - position
    if left < 2:
        return None
    length, start = buffer[position + 1], position + 2
    if length == _EXTENDED_16 and left >= 4:
        (length,), start = struct.unpack_from("!H", buffer, start), position + 4
    elif length == _EXTENDED_64 and left >= 10:
        (length,), start = struct.unpack_from("!Q", buffer, start), position + 10
    elif length >= _EXTENDED_16:
        return None
    return (start, start + length) if len(buffer) >= start + length else None


def masked(opcode: int, payload: bytes) -> bytes:
    """A client's frame; a mask of zeros leaves the payload as it is."""
    length = len(payload)
    size = bytes([128 | length]) if length < _EXTENDED_16 else bytes([128 | _EXTENDED_16]) + struct.pack("!H", length)
    return bytes([128 | opcode]) + size + b"\0\0\0\0" + payload


class Crowd:
    """The sockets of another process, as seen from here."""

    def __init__(self, port: int, count: int, messages: list[dict[str, Any]]) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        lines = [json.dumps(message) for message in messages]
        self._process = context.Process(target=_run, args=(theirs, port, count, lines), daemon=True)
        self._process.start()
        self._take()

    def expect(self, frames: int, *, patience_seconds: float) -> Tally:
        """What came in since the last time, as soon as so many frames have come or none came for a while."""
        self._pipe.send((frames, patience_seconds))
        tally: Tally = self._take()
        return tally

    def close(self) -> None:
        self._process.kill()
        self._process.join()

    def _take(self) -> Any:
        found = self._pipe.recv()
        if isinstance(found, Exception):
            raise found
        return found


def _run(pipe: Connection, port: int, count: int, messages: list[str]) -> None:
    uvloop.run(_listen(pipe, port, count, messages))


async def _listen(pipe: Connection, port: int, count: int, messages: list[str]) -> None:
    loop, tally = asyncio.get_running_loop(), Tally()
    try:
        for _ in range(count):
            is_ready: asyncio.Future[None] = loop.create_future()
            listener = Listener("127.0.0.1", messages, tally, is_ready)
            await loop.create_connection(partial(_same, listener), "127.0.0.1", port)
            await is_ready
    except OSError as error:
        pipe.send(error)
        return
    pipe.send("listening")
    while True:
        frames, patience_seconds = await loop.run_in_executor(None, pipe.recv)
        await _wait_for(tally, frames, patience_seconds)
        pipe.send(tally)
        tally.frames, tally.delays_ms = 0, []


def _same(listener: Listener) -> Listener:
    return listener


async def _wait_for(tally: Tally, frames: int, patience_seconds: float) -> None:
    began = time.time()
    # Asking now and then costs less than telling at each frame.
    while tally.frames < frames and time.time() - max(began, tally.last_at) < patience_seconds:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
