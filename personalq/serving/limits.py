"""How much one connection may take of the process."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds per connection, except `http_connections`."""

    # Of a request: its line and header fields; trailers count anew.
    head_bytes: int = 64 * 1024
    head_fields: int = 100
    # From connecting, or from the first byte of a further request, to the end of its head.
    head_seconds: float = 15.0
    # Requests that wait for the answer to an earlier one of the same connection.
    pipelined_requests: int = 16
    # Connections of the process that are no event sockets.
    http_connections: int = 1_000
    # How long a peer may leave untouched what was written to it, and how long after the end it may take to fetch it.
    http_stall_seconds: float = 30.0

    # Of an event socket: pings, pongs, closes and pieces of messages, a second and at once after a pause.
    small_frames_per_second: float = 50.0
    small_frame_burst: int = 100
    # Whole messages: the conversation's own limit is stricter, but it looks only after they have been read.
    messages_per_second: float = 10_000.0
    message_burst: int = 2_000
    # What a peer may leave unread before its pings are taken amiss.
    unread_bytes: int = 64 * 1024
    # From the server's close, or the end of the conversation, to the end of the connection.
    close_seconds: float = 5.0
