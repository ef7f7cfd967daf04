"""HTTP connections that nobody can hold open, or fill, without asking for anything."""

import asyncio
from typing import Any, ClassVar

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from personalq.lib.errors import AppError
from personalq.serving import refusals
from personalq.serving.limits import Limits
from personalq.serving.transports import EndingTransport


class RefusedHeadError(Exception):
    """Stops the parser in the middle of what it was given."""


class Crowd:
    """The HTTP connections of a process, and those of them that have yet to say what they want."""

    def __init__(self) -> None:
        self._open: set[BoundedRequests] = set()
        self._waiting: dict[BoundedRequests, None] = {}

    def admit(self, newcomer: "BoundedRequests", most: int) -> bool:
        """Take a connection in, if need be in place of the one that has said nothing for longest."""
        if len(self._open) >= most and self._waiting:
            self._drop(next(iter(self._waiting)))
        if len(self._open) >= most:
            return False
        self._open.add(newcomer)
        return True

    def wait(self, connection: "BoundedRequests") -> None:
        self._waiting[connection] = None

    def stop_waiting(self, connection: "BoundedRequests") -> None:
        self._waiting.pop(connection, None)

    def leave(self, connection: "BoundedRequests") -> None:
        self._open.discard(connection)
        self.stop_waiting(connection)

    def _drop(self, connection: "BoundedRequests") -> None:
        self.leave(connection)
        connection.transport.abort()


class BoundedRequests(HttpToolsProtocol):
    """uvicorn's HTTP protocol within `limits`."""

    limits: ClassVar[Limits] = Limits()
    crowd: ClassVar[Crowd] = Crowd()

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._line: EndingTransport | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._refusal: AppError | None = None
        self._is_upgraded = False
        self._head_bytes = 0
        self._is_head_complete = False
        # What the parser has taken in since it last told of something: it keeps a field until the field is whole.
        self._untold_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._line = EndingTransport(transport, self.loop, linger_seconds=self.limits.http_stall_seconds)
        super().connection_made(self._line)
        if self.crowd.admit(self, self.limits.http_connections):
            self._expect_head()
        else:
            self._refuse(refusals.no_connection_to_spare())

    def connection_lost(self, exc: Exception | None) -> None:
        self._let_go()
        super().connection_lost(exc)
        if self._line is not None:
            self._line.note_loss()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._untold_bytes += len(data)
        super().data_received(data)
        if self._is_upgraded or self.transport.is_closing():
            return
        if self._head_bytes + self._untold_bytes > self.limits.head_bytes:
            self._refuse(refusals.head_too_large())
        elif not self._is_answering():
            self._expect_head()

    def handle_websocket_upgrade(self) -> None:
        self._let_go()
        self._is_upgraded = True
        if self._is_answering():
            # The answer to an earlier request would end up among the frames.
            self.transport.abort()
        else:
            super().handle_websocket_upgrade()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stall = self.loop.call_later(self.limits.http_stall_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_stall()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's
        self._refuse(self._refusal or refusals.unreadable())

    # What the parser tells of.

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0
        self._is_head_complete = False

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._is_head_complete:
            # Fields after the body passed nobody who looks at heads: a proxy of ours, or the limit of the body.
            super().on_header(name, value)
        self._count(len(name) + len(value) + len(": \r\n"))

    def on_headers_complete(self) -> None:
        self._untold_bytes = self._head_bytes = 0
        self._is_head_complete = True
        self._stop_deadline()
        if len(self.pipeline) >= self.limits.pipelined_requests:
            self.transport.abort()
            raise RefusedHeadError
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._untold_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._untold_bytes = 0
        super().on_message_complete()

    def _count(self, size: int) -> None:
        self._untold_bytes = 0
        self._head_bytes += size
        if self._head_bytes > self.limits.head_bytes or len(self.headers) > self.limits.head_fields:
            self._refusal = refusals.head_too_large()
            raise RefusedHeadError

    def _is_answering(self) -> bool:
        # Before the first request there is no cycle, whatever its type says.
        return bool(self.cycle) and not self.cycle.response_complete

    def _is_still_reading(self) -> bool:
        """Whether the only request without an answer is the one that is still coming in."""
        return self.cycle.more_body and not self.cycle.response_started and not self.pipeline

    def _expect_head(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.limits.head_seconds, self.transport.close)
            self.crowd.wait(self)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
            self.crowd.stop_waiting(self)

    def _stop_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _let_go(self) -> None:
        self._stop_deadline()
        self._stop_stall()
        self.crowd.leave(self)

    def _refuse(self, error: AppError) -> None:
        if self.transport.is_closing() or (self._is_answering() and not self._is_still_reading()):
            # It would be taken for the answer to a request before, or come in the middle of one.
            self.transport.abort()
            return
        self.transport.write(refusals.as_bytes(error))
        self.transport.close()
