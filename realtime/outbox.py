"""What waits to be sent to one client: bounded, in order, and never in the way of anybody else."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from realtime import frames
from realtime.frames import Frame
from realtime.refusals import TOO_SLOW, Refusal

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

# How long a closing socket may take to accept what is left for it.
CLOSING_SECONDS: Final = 10.0


class Outbox:
    """The only one who sends on a socket.

    Live frames are offered and must fit; a replay puts its frames one by one and waits for room. Whoever lets
    `limit_bytes` pile up is sent away: the history is in the database, so nothing is lost by that.
    """

    def __init__(self, send: Send, *, limit_bytes: int) -> None:
        self._send = send
        self._limit = limit_bytes
        self._frames: deque[Frame] = deque()
        self._waiting_bytes = 0
        self._close_code: int | None = None
        self._is_abandoned = False
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._patience: asyncio.Timeout | None = None
        self._sending_since: float | None = None

    @property
    def is_closing(self) -> bool:
        return self._is_abandoned or self._close_code is not None

    def offer(self, frame: Frame) -> None:
        """Take a live frame, or send the client away because it lets too much pile up."""
        if self.is_closing:
            return
        if self._waiting_bytes + frame.size > self._limit:
            self._drop_waiting()
            self.finish(TOO_SLOW)
            return
        self._add(frame)

    async def put(self, frame: Frame) -> None:
        """Take a frame of a replay as soon as half of the room is free."""
        while self._waiting_bytes > self._limit // 2 and not self.is_closing:
            self._room.clear()
            await self._room.wait()
        if not self.is_closing:
            self._add(frame)

    def finish(self, refusal: Refusal, *, close_code: int | None = None) -> None:
        """Say why, send what is waiting and close; only the first call counts."""
        if self.is_closing:
            return
        self._add(frames.of_refusal(refusal))
        self._close_code = close_code or refusal.close_code or 1000
        if self._patience is not None:
            self._patience.reschedule(asyncio.get_running_loop().time() + CLOSING_SECONDS)

    def abandon(self) -> None:
        """The client is gone: nothing can be sent any more."""
        self._is_abandoned = True
        self._drop_waiting()
        self._wake.set()

    def stalled_seconds(self) -> float:
        """For how long the frame that is being sent has not been taken."""
        if self._sending_since is None:
            return 0.0
        return asyncio.get_running_loop().time() - self._sending_since

    async def run(self) -> None:
        """Send until the socket is closed or the client is gone or takes nothing more."""
        try:
            async with asyncio.timeout(CLOSING_SECONDS if self.is_closing else None) as self._patience:
                await self._send_until_closed()
        except OSError:  # what servers raise when the client is gone; a TimeoutError is one too
            self.abandon()

    async def _send_until_closed(self) -> None:
        while not self._is_abandoned:
            await self._send_waiting()
            if self._close_code is not None:
                await self._send({"type": "websocket.close", "code": self._close_code})
                return
            self._wake.clear()
            await self._wake.wait()

    async def _send_waiting(self) -> None:
        clock = asyncio.get_running_loop().time
        while self._frames:
            frame = self._frames.popleft()
            self._sending_since = clock()
            await self._send(frame.message)
            self._waiting_bytes -= frame.size
            self._room.set()
        self._sending_since = None

    def _add(self, frame: Frame) -> None:
        self._frames.append(frame)
        self._waiting_bytes += frame.size
        self._wake.set()

    def _drop_waiting(self) -> None:
        self._waiting_bytes -= sum(frame.size for frame in self._frames)
        self._frames.clear()
        self._room.set()
