"""A transport that ends."""

from __future__ import annotations

import asyncio
from typing import Any


class EndingTransport(asyncio.Transport):
    """Another transport, whose `close` takes at most `linger_seconds`, whatever the peer leaves unread."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, *, linger_seconds: float) -> None:
        super().__init__()
        self.inner = transport
        self._loop = loop
        self._linger_seconds = linger_seconds
        self._end: asyncio.TimerHandle | None = None
        self._is_lost = False

    def close(self) -> None:
        self.inner.close()
        self.end_within(self._linger_seconds)

    def end_within(self, seconds: float) -> None:
        """Abort the connection after so many seconds. The first call counts."""
        if self._end is None and not self._is_lost:
            self._end = self._loop.call_later(seconds, self.inner.abort)

    def note_loss(self) -> None:
        """The connection is gone: there is nothing left to end."""
        self._is_lost = True
        if self._end is not None:
            self._end.cancel()

    def abort(self) -> None:
        self.inner.abort()

    def is_closing(self) -> bool:
        return self.inner.is_closing()

    # Between an abort and the news of it the application goes on, and uvloop raises at whatever it does.

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        if not self.inner.is_closing():
            self.inner.write(data)

    def get_write_buffer_size(self) -> int:
        return self.inner.get_write_buffer_size()

    def pause_reading(self) -> None:
        if not self.inner.is_closing():
            self.inner.pause_reading()

    def resume_reading(self) -> None:
        if not self.inner.is_closing():
            self.inner.resume_reading()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.inner.set_protocol(protocol)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.inner.get_extra_info(name, default)
