"""Our ends of a program's standard streams. They are read and written only while somebody asks for it.

No asyncio streams: those read ahead, keep half-closed transports and cannot be given up while somebody reads.
"""

import asyncio
import os
from collections.abc import Callable
from typing import Any, Final

READ_BYTES: Final = 65_536


class PipeEnd:
    """One end of a pipe, which the event loop can wait for; the `far` one is for the program."""

    def __init__(self, near: int, far: int) -> None:
        """Take both descriptors and own them from now on."""
        self.near: Final = near
        self.far: Final = far
        self._is_far_open = True
        self._is_closed = False
        self._waiting: asyncio.Future[None] | None = None
        os.set_blocking(near, False)

    def close_far(self) -> None:
        """Close the program's end here, once the program has it. May be called more than once."""
        if self._is_far_open:
            self._is_far_open = False
            os.close(self.far)

    def close(self) -> None:
        """Give the pipe up. Whoever waits for it is woken. May be called more than once."""
        self.close_far()
        if self._is_closed:
            return
        self._is_closed = True
        if self._waiting is None:
            os.close(self.near)
        else:
            # The loop still watches the descriptor; whoever waits closes it after telling the loop.
            _resolve(self._waiting)

    async def _until_ready(self, add: Callable[..., Any], remove: Callable[[int], Any]) -> bool:
        """Wait for the pipe; False when it was given up."""
        if not self._is_closed:
            await self._wait(add, remove)
        return not self._is_closed

    async def _wait(self, add: Callable[..., Any], remove: Callable[[int], Any]) -> None:
        self._waiting = asyncio.get_running_loop().create_future()
        add(self.near, _resolve, self._waiting)
        try:
            await self._waiting
        finally:
            remove(self.near)
            self._waiting = None
            if self._is_closed:
                os.close(self.near)


class Incoming(PipeEnd):
    """What the program writes. That nobody reads is what makes it wait."""

    def __init__(self) -> None:
        """Make the pipe."""
        super().__init__(*os.pipe())

    async def read(self) -> bytes:
        """At most READ_BYTES as soon as there are any; empty at the end and when the pipe was given up."""
        loop = asyncio.get_running_loop()
        # Waiting first, if only for one turn of the loop, lets others have theirs during a flood.
        if await self._until_ready(loop.add_reader, loop.remove_reader):
            return os.read(self.near, READ_BYTES)
        return b""


class Outgoing(PipeEnd):
    """What the program reads."""

    def __init__(self) -> None:
        """Make the pipe."""
        far, near = os.pipe()
        super().__init__(near, far)

    async def write_all(self, data: bytes) -> None:
        """Write as fast as it is taken, then close. A program that does not want it is no error."""
        loop = asyncio.get_running_loop()
        rest = memoryview(data)
        try:
            while rest and await self._until_ready(loop.add_writer, loop.remove_writer):
                rest = rest[os.write(self.near, rest) :]
        except BrokenPipeError:
            return
        finally:
            self.close()


def _resolve(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
