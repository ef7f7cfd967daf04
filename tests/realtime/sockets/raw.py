"""A connection without a client library."""

import socket
from typing import Self

from tests.realtime.sockets.serving import WebProcess


class Line:
    """A connection on which anything can be said."""

    def __init__(self, web: WebProcess) -> None:
        self.socket = socket.create_connection(("127.0.0.1", web.port), timeout=30)

    def say(self, data: bytes) -> None:
        self.socket.sendall(data)

    def hear_all(self) -> bytes:
        """Everything until the server ends the connection, in one way or the other."""
        heard = b""
        try:
            while received := self.socket.recv(65_536):
                heard += received
        except ConnectionError:
            pass
        return heard

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


def head(*lines: str) -> bytes:
    return "\r\n".join([*lines, "", ""]).encode()
