"""A mail server on a real socket of this machine: as much of SMTP (RFC 5321) as a client that delivers needs.

with SmtpServer() as server:     # server.port, server.letters
"""

import socketserver
import threading
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Self

LONGEST_LINE = 2000


@dataclass(frozen=True, kw_only=True)
class Letter:
    """One e-mail as it was taken in."""

    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage

    @property
    def text(self) -> str:
        return str(self.message.get_content())


@dataclass(kw_only=True)
class _Envelope:
    sender: str = ""
    recipients: list[str] = field(default_factory=list)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True


class SmtpServer:
    """Takes letters until it is left. `refusal` is said instead of taking one, such as "451 try later".

    It is the answer to `refused_verb`. `port` is one that was free a moment ago, for a server that was away; a mute one
    takes connections and says nothing.
    """

    def __init__(self, *, refusal: str = "", refused_verb: str = "MAIL", port: int = 0, is_mute: bool = False) -> None:
        self.letters: list[Letter] = []
        self.refusal = refusal
        self.refused_verb = refused_verb
        self.is_mute = is_mute
        self._server = _Server(("127.0.0.1", port), self._handler(), bind_and_activate=True)
        self._server.daemon_threads = True

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, name="smtp", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[socketserver.StreamRequestHandler]:
        owner = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                if owner.is_mute:
                    self.rfile.read()  # until the client has had enough
                else:
                    owner._converse(self)

        return Handler

    def _converse(self, peer: socketserver.StreamRequestHandler) -> None:
        envelope = _Envelope()
        self._say(peer, "220 mail.test ready")
        while line := peer.rfile.readline(LONGEST_LINE).decode("ascii").strip():
            verb, _, rest = line.partition(" ")
            if self.refusal and verb.upper() == self.refused_verb:
                self._say(peer, self.refusal)
                continue
            match verb.upper():
                case "EHLO" | "HELO":
                    self._say(peer, "250-mail.test\r\n250-AUTH PLAIN\r\n250 8BITMIME")
                case "MAIL":
                    envelope = _Envelope(sender=_address(rest))
                    self._say(peer, "250 ok")
                case "AUTH":
                    self._say(peer, "235 welcome")
                case "RCPT":
                    envelope.recipients.append(_address(rest))
                    self._say(peer, "250 ok")
                case "DATA":
                    self._say(peer, "354 go on")
                    self._take(peer, envelope)
                    self._say(peer, "250 taken")
                case "QUIT":
                    self._say(peer, "221 bye")
                    return
                case "RSET" | "NOOP":
                    self._say(peer, "250 ok")
                case _:
                    self._say(peer, "502 no such thing")

    def _take(self, peer: socketserver.StreamRequestHandler, envelope: _Envelope) -> None:
        lines: list[bytes] = []
        while (line := peer.rfile.readline()) not in {b".\r\n", b""}:
            lines.append(line.removeprefix(b"."))
        message = message_from_bytes(b"".join(lines), policy=default)
        self.letters.append(Letter(sender=envelope.sender, recipients=(*envelope.recipients,), message=message))

    @staticmethod
    def _say(peer: socketserver.StreamRequestHandler, words: str) -> None:
        peer.wfile.write(f"{words}\r\n".encode("ascii"))


def _address(rest: str) -> str:
    return rest.partition("<")[2].partition(">")[0]
