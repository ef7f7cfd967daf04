"""What has to happen to a request before Django sees it: one reading of it, and a body bounded in size and time."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import AsyncExitStack
from typing import Any

from personalq.lib.client_address import is_encrypted
from personalq.lib.current_request import new_request_id
from personalq.lib.error_pages import bare_error_page
from personalq.lib.errors import AppError, InvalidInput, PayloadTooLarge, RequestTimeout
from personalq.lib.paths import is_machine_path
from personalq.lib.problems import problem_for_path
from personalq.lib.security_headers import as_raw, raw_security_headers
from personalq.lib.turns import Turns

DEFAULT_LIMIT_BYTES = 256 * 1024
DEFAULT_TIMEOUT_SECONDS = 30.0
MAX_LENGTH_DIGITS = 15
HTTP_VERSIONS = ("1.0", "1.1")
LARGE_BODIES_AT_ONCE = 2
DROPPED_HEADERS = "personalq.dropped_headers"
"""Where a scope tells which headers came with underscores in their names; here they have hyphens."""

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
Admission = Callable[[Scope], Awaitable[str]]


class ClientGoneError(Exception):
    """The client went away before its body was complete."""


class ByPath:
    """Hands requests for some paths to other applications."""

    def __init__(self, applications: Mapping[str, Application], *, otherwise: Application) -> None:
        self.applications = applications
        self.otherwise = otherwise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.applications.get(scope["path"], self.otherwise)(scope, receive, send)


class BodyLimit:
    """Reads each HTTP body completely, within limits, and hands it on with a true Content-Length.

    Without that length DRF takes a chunked body for an empty one. Sockets pass untouched.

    Args:
        application: What to call with the buffered request.
        limits: Path prefix → bytes; the longest prefix wins, at whole path segments.
        default_limit: Bytes for all other paths.
        timeout_seconds: For the whole body.
        admissions: Path prefix → who it is that may send more than `default_limit` there, empty for nobody: a few such
            bodies of one sender are in memory at once, the others wait. Elsewhere it is who brings a token or a
            cookie. Raises an AppError when that cannot be told.
    """

    def __init__(
        self,
        application: Application,
        *,
        limits: Mapping[str, int] | None = None,
        default_limit: int = DEFAULT_LIMIT_BYTES,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        admissions: Mapping[str, Admission] | None = None,
    ) -> None:
        self.application = application
        self.limits = sorted((limits or {}).items(), key=lambda item: len(item[0]), reverse=True)
        self.default_limit = default_limit
        self.timeout_seconds = timeout_seconds
        self.admissions = admissions or {}
        self.turns = Turns(at_once=LARGE_BODIES_AT_ONCE, patience_seconds=timeout_seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.application(scope, receive, send)
            return
        async with AsyncExitStack() as until_answered:
            try:
                _refuse_two_readings(scope)
                body = await self._read(scope, receive, until_answered)
            except AppError as error:
                await _refuse(error, scope, send)
            except ClientGoneError:
                return
            else:
                await self.application(_with_true_length(scope, len(body)), _replay(body, receive), send)

    async def _read(self, scope: Scope, receive: Receive, until_answered: AsyncExitStack) -> bytes:
        announced = _announced_length(scope)
        is_admitted = await self._admits(scope, announced, until_answered)
        limit = self._limit_of(scope["path"])
        if not is_admitted:
            limit = min(limit, self.default_limit)
        if announced is not None and announced > limit:
            raise PayloadTooLarge(f"Send at most {limit} bytes to this address.")
        try:
            async with asyncio.timeout(self.timeout_seconds):
                body = await _read_at_most(limit, receive)
        except TimeoutError:
            raise RequestTimeout from None
        if announced is not None and len(body) != announced:
            raise InvalidInput("Content-Length differs from the length of the body.", code="bad_request")
        return body

    async def _admits(self, scope: Scope, announced: int | None, until_answered: AsyncExitStack) -> bool:
        for prefix, admission in self.admissions.items():
            if scope["path"].startswith(f"{prefix}/"):
                may_be_large = announced is None or announced > self.default_limit
                sender = await admission(scope) if may_be_large else ""
                if sender:
                    await until_answered.enter_async_context(self.turns.take(sender))
                return bool(sender)
        return _shows_credentials(scope)

    def _limit_of(self, path: str) -> int:
        for prefix, limit in self.limits:
            if path == prefix or path.startswith(f"{prefix}/"):
                return limit
        return self.default_limit


def _shows_credentials(scope: Scope) -> bool:
    # Strangers have nothing large to say: what they send is held in memory before anybody asks who they are.
    return any(name in {b"authorization", b"cookie"} for name, _ in scope["headers"])


def _refuse_two_readings(scope: Scope) -> None:
    """Refuse what a proxy in front of us may have read in another way than we do (RFC 9112, 3.2 and 6.1).

    Raises:
        InvalidInput: HTTP of a version that nobody speaks here, none or two hosts, or a length that its version lacks.
    """
    version = scope.get("http_version")
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    has_encoding = any(name == b"transfer-encoding" for name, _ in scope["headers"])
    is_clear = (
        version in {None, *HTTP_VERSIONS}
        and len(hosts) <= 1
        and (hosts or version != "1.1")
        and not (has_encoding and version == "1.0")
    )
    if not is_clear:
        raise _malformed()


def _malformed() -> InvalidInput:
    return InvalidInput("The request line, the host or the length headers are malformed.", code="bad_request")


def _announced_length(scope: Scope) -> int | None:
    """The Content-Length, or None when there is none.

    Raises:
        InvalidInput: The headers leave room for two readings of where the body ends, or of the address.
    """
    lengths = [value for name, value in scope["headers"] if name == b"content-length"]
    encodings = [value.lower() for name, value in scope["headers"] if name == b"transfer-encoding"]
    number = lengths[0] if lengths else b"0"
    is_clear = (
        len(lengths) + len(encodings) <= 1
        and encodings in ([], [b"chunked"])
        and number.isdigit()
        and len(number) <= MAX_LENGTH_DIGITS
        and scope.get("query_string", b"").isascii()  # Django answers raw bytes with a bare page of its own
    )
    if not is_clear:
        raise _malformed()
    return int(number) if lengths else None


async def _read_at_most(limit: int, receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        body += message.get("body", b"")
        if len(body) > limit:
            raise PayloadTooLarge(f"Send at most {limit} bytes to this address.")
        if not message.get("more_body", False):
            return bytes(body)


def _with_true_length(scope: Scope, length: int) -> Scope:
    described = {name for name, _ in scope["headers"]} & {b"content-length", b"transfer-encoding"}
    # In META, names with underscores equal honest ones: X_Forwarded_For would pass for X-Forwarded-For.
    headers: Headers = [
        (name, value)
        for name, value in scope["headers"]
        if b"_" not in name and name not in {b"content-length", b"transfer-encoding"}
    ]
    if described or length:
        headers.append((b"content-length", str(length).encode("ascii")))
    dropped = frozenset(name.lower().replace(b"_", b"-") for name, _ in scope["headers"] if b"_" in name)
    return {**scope, "headers": headers, DROPPED_HEADERS: dropped}


def _replay(body: bytes, receive: Receive) -> Receive:
    is_delivered = False

    async def receive_again() -> Message:
        nonlocal is_delivered
        if is_delivered:
            return await receive()  # waits for the disconnect, which Django listens for
        is_delivered = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again


def _is_secure(scope: Scope) -> bool:
    peer = scope["client"][0] if scope.get("client") else ""
    return is_encrypted(scheme=scope.get("scheme", "http"), peer=peer, headers=scope["headers"])


async def _refuse(error: AppError, scope: Scope, send: Send) -> None:
    request_id = new_request_id()
    content_type, body = _render(error, scope, request_id)
    headers = [
        *raw_security_headers(is_secure=_is_secure(scope), content_type=content_type),
        *as_raw(error.headers.items()),
        (b"content-type", content_type.encode("ascii")),
        (b"content-length", str(len(body)).encode("ascii")),
        (b"x-request-id", request_id.encode("ascii")),
        # What is left of the body must not be read as the next request.
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


def _render(error: AppError, scope: Scope, request_id: str) -> tuple[str, bytes]:
    accepted = b",".join(value for name, value in scope["headers"] if name == b"accept")
    if is_machine_path(scope["path"]) or b"text/html" not in accepted:
        return problem_for_path(error, request_id, scope["path"])
    return "text/html; charset=utf-8", bare_error_page(error, request_id).encode("utf-8")
