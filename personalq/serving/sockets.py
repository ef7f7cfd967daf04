"""WebSocket connections that cannot keep the process busy with frames that say nothing."""

import asyncio
from typing import Any, ClassVar, cast

from uvicorn._types import ASGISendEvent
from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.exceptions import ProtocolError
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.server import ServerProtocol
from websockets.typing import StatusLike

from personalq.lib.current_request import new_request_id
from personalq.serving import refusals
from personalq.serving.limits import Limits
from personalq.serving.transports import EndingTransport
from realtime.bucket import TokenBucket

# As the conversation itself closes when a client speaks too fast.
TALKS_TOO_FAST = 4429
NO_HANDSHAKE = "This is no WebSocket handshake that could be taken. Check its fields, then try again."
TEXT_OR_BINARY = frozenset({Opcode.TEXT, Opcode.BINARY})


class CountingProtocol(ServerProtocol):
    """Reads frames until there are too many: one piece of input from the network may hold tens of thousands."""

    def __init__(self, *, limits: Limits, **options: Any) -> None:
        super().__init__(**options)
        self._small = TokenBucket(rate=limits.small_frames_per_second, burst=limits.small_frame_burst)
        self._messages = TokenBucket(rate=limits.messages_per_second, burst=limits.message_burst)

    def reject(self, status: StatusLike, text: str) -> Response:  # noqa: ARG002 - the library's, which quotes the client
        response = super().reject(status, NO_HANDSHAKE)
        for name, value in refusals.headers(new_request_id()):
            response.headers[name] = value
        return response

    def recv_frame(self, frame: Frame) -> None:
        is_message = frame.fin and frame.opcode in TEXT_OR_BINARY
        if not (self._messages if is_message else self._small).take():
            self.fail(TALKS_TOO_FAST, "rate_limited")
            # Only this leaves the parser's loop at once.
            raise ProtocolError("too many frames")
        super().recv_frame(frame)


class BoundedSockets(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol within `limits`."""

    limits: ClassVar[Limits] = Limits()

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._line: EndingTransport | None = None
        self.conn = CountingProtocol(
            limits=self.limits,
            extensions=self.conn.available_extensions,
            max_size=config.ws_max_size,
            logger=self.logger,
        )
        # A peer that says nothing more still gets an orderly end, one that does not even read is cut off.
        self.close_timeout = self.limits.close_seconds / 2

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # The request that became this socket had more time to end than a socket has.
        inner = transport.inner if isinstance(transport, EndingTransport) else cast("asyncio.Transport", transport)
        self._line = EndingTransport(inner, self.loop, linger_seconds=self.limits.close_seconds)
        super().connection_made(self._line)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._line is not None:
            self._line.note_loss()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            # uvicorn starts no conversation then, and nobody else would end the connection.
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()

    def handle_ping(self) -> None:
        if self.transport.is_closing():
            return
        if self.transport.get_write_buffer_size() > self.limits.unread_bytes:
            self.transport.abort()
        else:
            super().handle_ping()

    def handle_parser_exception(self) -> None:
        if self.close_sent or self.conn.close_sent is None:
            # There is no close frame left to send.
            self.transport.abort()
        else:
            super().handle_parser_exception()

    async def send(self, message: ASGISendEvent) -> None:
        # Before anything is written: with a peer that does not read, writing itself may wait for ever.
        if message["type"] == "websocket.close" and self._line is not None:
            self._line.end_within(self.limits.close_seconds)
        await super().send(message)
