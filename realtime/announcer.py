"""Telling all web processes that there are new events, without ever holding up the one who wrote them."""

import asyncio
import logging
import os
import threading
from typing import Final

from channels.layers import get_channel_layer

from realtime.layer import GROUP
from realtime.outages import Outage, repeat

logger = logging.getLogger(__name__)

# Many events in a row become one message each hundredth of a second.
PAUSE_SECONDS: Final = 0.01
PAUSE_IN_OUTAGE_SECONDS: Final = 1.0
SEND_SECONDS: Final = 5.0


class Announcer:
    """A thread with an event loop of its own that sends one message for all that was announced meanwhile."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._announced = asyncio.Event()
        self._outage = Outage(logger, "The channel layer")

    def announce(self) -> None:
        """There are new events. Returns at once, whatever state Redis is in."""
        # Cleared before each sending: while it is set, a message is still to go out, after this commit.
        if not self._announced.is_set():
            self._running_loop().call_soon_threadsafe(self._announced.set)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._guard:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                # A daemon: a process that ends does not wait for Redis. Hubs look by themselves each second.
                threading.Thread(target=self._run, args=[self._loop], name="announcer", daemon=True).start()
            return self._loop

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(repeat(self._send, self._pause, self._outage))

    async def _send(self) -> None:
        await self._announced.wait()
        self._announced.clear()
        async with asyncio.timeout(SEND_SECONDS):
            await get_channel_layer().group_send(GROUP, {"type": "task.events"})

    async def _pause(self) -> None:
        await asyncio.sleep(PAUSE_IN_OUTAGE_SECONDS if self._outage.is_on else PAUSE_SECONDS)


_announcer = Announcer()


def announce() -> None:
    """Tell all hubs that there are new events; never blocks and never raises because of Redis."""
    _announcer.announce()


def _begin_anew() -> None:
    # A forked child inherits the object, but neither its thread nor a usable loop.
    global _announcer  # noqa: PLW0603
    _announcer = Announcer()


os.register_at_fork(after_in_child=_begin_anew)
