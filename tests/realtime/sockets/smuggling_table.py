"""What is sent to the server so that it and a proxy could disagree on where one request ends and the next begins.

Each entry is a whole connection's worth of bytes, in which `INNER` is the request that nobody may have carried out.
"""

import json
from typing import Final

from tests.makers import PASSWORD

USERNAME: Final = "alice"
INNER_PATH: Final = "/api/v1/auth/token"
OUTER_PATH: Final = "/outer"
_SIGN_IN: Final = json.dumps({"username": USERNAME, "password": PASSWORD}).encode()
INNER: Final = b"\r\n".join(
    [
        f"POST {INNER_PATH} HTTP/1.1".encode(),
        b"Host: localhost",
        b"Content-Type: application/json",
        b"Content-Length: %d" % len(_SIGN_IN),
        b"",
        _SIGN_IN,
    ]
)
"""A sign-in that leaves a row when it is carried out."""
LAST: Final = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
"""An honest request after the other bytes, as a proxy would send somebody else's."""
_EMPTY_CHUNKS: Final = b"0\r\n\r\n"


def _post(fields: bytes, body: bytes = b"", *, version: bytes = b"1.1") -> bytes:
    return b"POST /outer HTTP/%s\r\nHost: localhost\r\n%s\r\n\r\n%s" % (version, fields, body)


def _get(line: bytes = b"GET /outer HTTP/1.1", *fields: bytes, host: bytes = b"Host: localhost") -> bytes:
    return b"\r\n".join([line, *([host] if host else []), *fields, b"", b""])


def _two_lengths(encoding: bytes) -> bytes:
    """A body by length that would be an empty one, and a second request, by chunks."""
    body = _EMPTY_CHUNKS + INNER
    return _post(b"Content-Length: %d\r\n%s" % (len(body), encoding), body)


def _chunks(body: bytes) -> bytes:
    return _post(b"Transfer-Encoding: chunked", body) + INNER


def _length(field: bytes) -> bytes:
    return _post(field, b"hello") + INNER


_ENCODINGS: Final = {
    "plain": b"Transfer-Encoding: chunked",
    "space before the colon": b"Transfer-Encoding : chunked",
    "tab before the colon": b"Transfer-Encoding\t: chunked",
    "tab before the value": b"Transfer-Encoding:\tchunked",
    "vertical tab": b"Transfer-Encoding: \x0bchunked",
    "letters before": b"Transfer-Encoding: xchunked",
    "space after": b"Transfer-Encoding: chunked ",
    "in capitals": b"Transfer-Encoding: CHUNKED",
    "in quotes": b'Transfer-Encoding: "chunked"',
    "comma before": b"Transfer-Encoding: ,chunked",
    "after identity": b"Transfer-Encoding: identity, chunked",
    "before identity": b"Transfer-Encoding: chunked, identity",
    "twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    "with a parameter": b"Transfer-Encoding: chunked;a=b",
    "folded": b"Transfer-Encoding:\r\n chunked",
    "space at the beginning": b" Transfer-Encoding: chunked",
    "behind a bare CR": b"X: y\rTransfer-Encoding: chunked",
    "behind a bare LF": b"X: y\nTransfer-Encoding: chunked",
    "NUL": b"Transfer-Encoding: chunked\x00",
    "high byte": b"Transfer-Encoding: \xffchunked",
    "unknown": b"Transfer-Encoding: cow",
}
_LENGTHS: Final = {
    "twice the same": b"Content-Length: 5\r\nContent-Length: 5",
    "two": b"Content-Length: 0\r\nContent-Length: 5",
    "list": b"Content-Length: 5, 5",
    "plus": b"Content-Length: +5",
    "minus": b"Content-Length: -5",
    "hexadecimal": b"Content-Length: 0x5",
    "fraction": b"Content-Length: 5.0",
    "exponent": b"Content-Length: 5e0",
    "space inside": b"Content-Length: 5 5",
    "space after": b"Content-Length: 5 ",
    "space before the colon": b"Content-Length : 5",
    "underscore in the number": b"Content-Length: 0_5",
    "form feed": b"Content-Length: \x0c5",
    "NUL": b"Content-Length: 5\x00",
    "empty": b"Content-Length:",
    "folded": b"Content-Length:\r\n 5",
    "beyond 64 bits": b"Content-Length: 18446744073709551621",
    "many zeros": b"Content-Length: 0000000000000000000005",
}
_CHUNKS: Final = {
    "extension ended by LF": b"5;a\nhello\r\n0\r\n\r\n",
    "line break in a quoted extension": b'5;a="\r\n"\r\nhello\r\n0\r\n\r\n',
    "minus": b"-5\r\nhello\r\n0\r\n\r\n",
    "plus": b"+5\r\nhello\r\n0\r\n\r\n",
    "0x": b"0x5\r\nhello\r\n0\r\n\r\n",
    "space before the size": b" 5\r\nhello\r\n0\r\n\r\n",
    "space after the size": b"5 \r\nhello\r\n0\r\n\r\n",
    "underscore": b"0_5\r\nhello\r\n0\r\n\r\n",
    "beyond 64 bits": b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    "no size": b"\r\nhello\r\n0\r\n\r\n",
    "NUL": b"5\x00\r\nhello\r\n0\r\n\r\n",
    "bare LF": b"5\nhello\n0\n\n",
    "bare CR": b"5\rhello\r\n0\r\n\r\n",
    "bare LF at the end": b"5\r\nhello\r\n0\r\n\n",
    "no line break after the data": b"5\r\nhello0\r\n\r\n",
    "more data than told": b"5\r\nhelloXX\r\n0\r\n\r\n",
    "length in the trailer": b"5\r\nhello\r\n0\r\nContent-Length: 40\r\n\r\n",
}
_HEADS: Final = {
    "bare LF": b"GET /outer HTTP/1.1\nHost: localhost\n\n",
    "bare LF at the end": b"GET /outer HTTP/1.1\r\nHost: localhost\r\n\n",
    "bare CR": b"GET /outer HTTP/1.1\rHost: localhost\r\r",
    "folded field": _get(b"GET /outer HTTP/1.1", b"X: a\r\n b"),
    "space before the first field": b"GET /outer HTTP/1.1\r\n X: y\r\nHost: localhost\r\n\r\n",
    "NUL in a name": _get(b"GET /outer HTTP/1.1", b"X\x00Y: a"),
    "NUL in a value": _get(b"GET /outer HTTP/1.1", b"X: a\x00b"),
    "NUL in the address": _get(b"GET /outer\x00 HTTP/1.1"),
    "space in a name": _get(b"GET /outer HTTP/1.1", b"X Y: a"),
    "field without a colon": _get(b"GET /outer HTTP/1.1", b"X"),
    "control character in a value": _get(b"GET /outer HTTP/1.1", b"X: a\x7fb"),
    "space in the address": _get(b"GET /outer /x HTTP/1.1"),
    "tabs in the first line": _get(b"GET\t/outer\tHTTP/1.1"),
    "space after the version": _get(b"GET /outer HTTP/1.1 "),
    "small letters": _get(b"GET /outer http/1.1"),
    "raw bytes in the address": _get(b"GET /outer\xc3\xa9 HTTP/1.1"),
    "address without a slash": _get(b"GET outer HTTP/1.1"),
    "unknown method": _get(b"XGET /outer HTTP/1.1"),
    "CONNECT": _get(b"CONNECT evil.example:80 HTTP/1.1"),
    "HTTP/0.9": b"GET /outer\r\n",
    "HTTP/0.9 and an empty line": b"GET /outer\r\n\r\n",
    "HTTP/1.2": _get(b"GET /outer HTTP/1.2"),
    "HTTP/2.0": _get(b"GET /outer HTTP/2.0"),
    "HTTP/9.9": _get(b"GET /outer HTTP/9.9"),
    "beginning of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no host": _get(host=b""),
    "two hosts": _get(b"GET /outer HTTP/1.1", b"Host: evil.example"),
    "the same host twice": _get(b"GET /outer HTTP/1.1", b"Host: localhost"),
}

REFUSED: Final = {
    "CL.TE": _two_lengths(_ENCODINGS["plain"]),
    "TE.CL": _post(b"Transfer-Encoding: chunked\r\nContent-Length: 4", b"%x\r\n%s\r\n0\r\n\r\n" % (len(INNER), INNER)),
    **{f"CL.TE: {name}": _two_lengths(field) for name, field in _ENCODINGS.items()},
    **{
        f"TE: {name}": _post(field, _EMPTY_CHUNKS) + INNER
        for name, field in _ENCODINGS.items()
        if name not in {"plain", "in capitals", "tab before the value"}
    },
    "TE in HTTP/1.0": _post(b"Transfer-Encoding: chunked", _EMPTY_CHUNKS + INNER, version=b"1.0"),
    "TE in HTTP/1.0, kept alive": _post(
        b"Connection: keep-alive\r\nTransfer-Encoding: chunked", _EMPTY_CHUNKS + INNER, version=b"1.0"
    ),
    **{f"CL: {name}": _length(field) for name, field in _LENGTHS.items()},
    **{f"chunk: {name}": _chunks(body) for name, body in _CHUNKS.items()},
    **{f"head: {name}": sent + INNER for name, sent in _HEADS.items()},
}
"""Answered 400, and nothing of it is carried out."""

HARMLESS: Final = {
    # The body by its length, whatever the field with underscores says.
    "TE with an underscore": (
        _post(b"Content-Length: %d\r\nTransfer_Encoding: chunked" % len(_EMPTY_CHUNKS + INNER), _EMPTY_CHUNKS + INNER),
        404,
    ),
    "request in the body of GET": (
        b"GET /outer HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (len(INNER), INNER),
        404,
    ),
    "request in a chunk": (
        _post(b"Transfer-Encoding: chunked", b"%x\r\n%s\r\n0\r\n\r\n" % (len(INNER), INNER)),
        404,
    ),
    "chunk with an extension": (
        _post(b"Transfer-Encoding: chunked", b'5;a=POST;b="GET"\r\nhello\r\n0\r\n\r\n'),
        404,
    ),
    "request line in the trailer": (
        _post(b"Transfer-Encoding: chunked", b"0\r\nX: POST /api/v1/auth/token HTTP/1.1\r\n\r\n"),
        404,
    ),
    # Our own host is named and asked; the address in front of the path counts for nobody.
    "absolute address": (_get(b"GET http://evil.example/outer HTTP/1.1"), 404),
    "absolute address with a user": (_get(b"GET http://localhost@evil.example/outer HTTP/1.1"), 404),
    "address with two slashes": (_get(b"GET //evil.example/outer HTTP/1.1"), 404),
    "line breaks in the address": (_get(b"GET /outer%0d%0aX-Evil:%201%0d%0a HTTP/1.1"), 404),
    "asterisk": (_get(b"OPTIONS * HTTP/1.1"), 404),
    # There is one reading, and it names a host that is not ours.
    "absolute address and a host that is not ours": (
        _get(b"GET http://localhost/outer HTTP/1.1", host=b"Host: evil.example"),
        400,
    ),
    "two hosts in one field": (_get(host=b"Host: localhost, evil.example"), 400),
    "host with a path": (_get(host=b"Host: localhost/evil"), 400),
    "host with a user": (_get(host=b"Host: evil@localhost"), 400),
}
"""Answered once, and nothing inside it is carried out; the request after it gets its own answer."""

ENDS: Final = {
    # Without a length the request has no body, and what follows is none.
    "length with an underscore": _post(b"Content_Length: %d" % (5 + len(INNER)), b"hello" + INNER),
    "octal length": _post(b"Content-Length: 010", b"hello" + INNER),
    "socket that is refused": _get(
        b"GET /ws/ HTTP/1.1",
        b"Connection: Upgrade",
        b"Upgrade: websocket",
        b"Sec-WebSocket-Version: 777",
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    )
    + INNER,
    "other protocol": _get(b"GET /outer HTTP/1.1", b"Connection: Upgrade", b"Upgrade: h2c") + INNER,
    "closed connection": _get(b"GET /outer HTTP/1.1", b"Connection: close") + INNER,
    "HTTP/1.0": _get(b"GET /outer HTTP/1.0") + INNER,
}
"""The connection ends, after one answer at most."""
