"""A service that knows breached passwords, as much of the range protocol of Have I Been Pwned as a client needs.

with BreachServer("password one", …) as service:     # service.url, service.prefixes

https://haveibeenpwned.com/API/v3#PwnedPasswords: GET /range/<5 digits of SHA-1> answers with the other 35 of each hash,
a colon and a number, one per line. With `Add-Padding: true` there are entries with the number 0 besides.
"""

import hashlib
from typing import Self

from tests.wire.server import Exchange, Received, WireServer

PADDING = 20


class BreachServer:
    """Knows some passwords. `padded` are those whose hashes it sends as mere padding."""

    def __init__(self, *known: str, padded: tuple[str, ...] = (), status: int = 200, body: bytes | None = None) -> None:
        self._known, self._padded, self._status, self._body = known, padded, status, body
        self.server = WireServer(self._answer)

    @property
    def url(self) -> str:
        return f"{self.server.url}/range"

    @property
    def requests(self) -> list[Received]:
        return self.server.requests

    def __enter__(self) -> Self:
        self.server.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.server.__exit__(*error)

    async def _answer(self, exchange: Exchange) -> None:
        prefix = exchange.request.path.rpartition("/")[2]
        body = self._lines(prefix) if self._body is None else self._body
        await exchange.answer(self._status, {"Content-Type": "text/plain"}, body)

    def _lines(self, prefix: str) -> bytes:
        found = [f"{digest[5:]}:17" for digest in map(sha1, self._known) if digest.startswith(prefix)]
        found += [f"{digest[5:]}:0" for digest in map(sha1, self._padded) if digest.startswith(prefix)]
        found += [f"{sha1(f'filler {number} {prefix}')[5:]}:0" for number in range(PADDING)]
        return "\r\n".join(found).encode()


def sha1(password: str) -> str:
    """In the form of the protocol."""
    return hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
