"""The door to MCP: who asks, from where and in which form, before the SDK sees anything.

Nothing is kept between requests, so any process can answer any of them: the protocol's present version knows no
sessions, and its older ones are served without. What a request starts ends with it.
"""

import logging
import time
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Final

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse
from django.utils.http import parse_header_parameters
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

from accounts import tokens
from accounts.authentication import SCHEME
from accounts.identity import Identity
from personalq.lib import strict_json
from personalq.lib.access_log import log_access
from personalq.lib.asgi import Message, Receive, Scope, Send
from personalq.lib.client_address import client_address
from personalq.lib.current_request import RequestMark, new_request_id, serving
from personalq.lib.errors import (
    AppError,
    HttpsRequired,
    InvalidInput,
    InvalidToken,
    MalformedBody,
    MethodNotAllowed,
    NotAuthenticated,
    PermissionDenied,
    UnsupportedMediaType,
)
from personalq.lib.middleware import settle_proxy_headers
from personalq.lib.problems import PROBLEM_TYPE, problem_bytes
from personalq.lib.rate_limits import limit
from personalq.lib.security_headers import as_raw, raw_security_headers
from personalq.lib.translation import app_error_from
from tasks.database_threads import DatabaseThreads
from tasks.mcp.callers import SCOPE_KEY, Caller
from tasks.mcp.server import server

PATHS: Final = frozenset({"/mcp", "/mcp/"})
METHOD: Final = "POST"
REALM: Final = 'Bearer realm="personal-q"'
JSON_TYPE: Final = "application/json"
THREADS: Final = 2
MOST_MEMBERS: Final = 20_000
"""Of arrays and objects of one request, which is looked through while everybody else waits."""
# Streams must reach the client piece by piece, through whatever stands between.
_STREAMED: Final = [(b"cache-control", b"no-store, no-transform"), (b"x-accel-buffering", b"no")]
_REPLACED: Final = frozenset({b"cache-control", b"x-accel-buffering"})

Headers = Iterable[tuple[bytes, bytes]]
logger = logging.getLogger(__name__)


class ForbiddenOrigin(PermissionDenied):
    """A page of another site made a browser ask."""

    code = "forbidden_origin"
    title = "Pages of this origin may not come in here."
    advice = "Ask the operator to list the origin in CSRF_TRUSTED_ORIGINS, or use a program that sends no Origin."


class McpDoor:
    """The ASGI application at /mcp, behind `BodyLimit`.

    Args:
        is_origin_allowed: Whether there is no Origin among the headers, or a welcome one.
    """

    def __init__(self, *, is_origin_allowed: Callable[[Headers], bool]) -> None:
        self._is_origin_allowed = is_origin_allowed
        # Of its own: whoever waits for a tool must not keep others from being let in.
        self._threads = DatabaseThreads(THREADS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        visit = _Visit(scope, send)
        with serving(visit.mark):
            try:
                body = await _read(receive)
                caller = await self._let_in(visit, body)
                await _serve(caller, body, receive, visit.send)
            except Exception as exception:  # noqa: BLE001 - the outermost boundary
                await visit.refuse(exception)
            finally:
                visit.log()

    async def _let_in(self, visit: "_Visit", body: bytes) -> Caller:
        request, scope = visit.request, visit.scope
        _check_address(request)
        if not self._is_origin_allowed(scope["headers"]):
            raise ForbiddenOrigin
        authorization = _authorization_in(scope["headers"])
        identity = await self._threads.run(admit, request=request, authorization=authorization)
        visit.request.user = identity.user
        if request.method != METHOD:
            raise MethodNotAllowed(headers={"Allow": METHOD})
        _check_body(request, body)
        return Caller(identity=identity, authorization=authorization, mark=visit.mark, asgi_scope=visit.scope)


class _Visit:
    """One HTTP request and what became of it."""

    def __init__(self, scope: Scope, send: Send) -> None:
        # The token belongs into a header: the address is not read.
        self.scope: Scope = {**scope, "query_string": b""}
        self.request = ASGIRequest(self.scope, BytesIO())
        settle_proxy_headers(self.request)
        self.mark = RequestMark(new_request_id(), client_address(self.request))
        self._send = send
        self._began = time.perf_counter()
        self._status = 0

    async def send(self, message: Message) -> None:
        """Pass an answer on, dressed as all of ours are."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            message = {**message, "headers": self._dressed(message.get("headers", []))}
        await self._send(message)

    async def refuse(self, exception: Exception) -> None:
        """Answer with a problem document, unless an answer is under way."""
        error = app_error_from(exception)
        if error is None or error.status >= AppError.status:
            logger.error("A request to MCP met an error of ours.", exc_info=exception)
        if self._status:
            return
        error = error or AppError()
        content = problem_bytes(error, self.mark.id)
        headers = [
            *as_raw(_headers_of(error)),
            (b"content-type", PROBLEM_TYPE.encode()),
            (b"content-length", str(len(content)).encode()),
        ]
        await self.send({"type": "http.response.start", "status": error.status, "headers": headers})
        shown = b"" if self.request.method == "HEAD" else content
        await self.send({"type": "http.response.body", "body": shown})

    def log(self) -> None:
        if self._status:
            log_access(self.request, HttpResponse(status=self._status), time.perf_counter() - self._began)

    def _dressed(self, headers: Headers) -> list[tuple[bytes, bytes]]:
        own = [(name.lower(), value) for name, value in headers]
        is_stream = any(value.startswith(b"text/event-stream") for name, value in own if name == b"content-type")
        common = raw_security_headers(is_secure=self.request.is_secure())
        extra = [*common, (b"x-request-id", self.mark.id.encode())]
        if is_stream:
            own = [pair for pair in own if pair[0] not in _REPLACED]
            extra = [pair for pair in extra if pair[0] not in _REPLACED] + _STREAMED
        named = {name for name, _ in own}
        return [*own, *(pair for pair in extra if pair[0] not in named)]


def admit(*, request: ASGIRequest, authorization: str) -> Identity:
    """Whom the header stands for, counted once.

    Raises:
        InvalidToken: It is no good, or no longer.
        RateLimited: They have called too often.
    """
    if not authorization.startswith(SCHEME):
        raise InvalidToken
    identity = tokens.identity_of(authorization.removeprefix(SCHEME))
    limit(request, group="mcp", key=f"user\n{identity.user.pk}", rate="PERSONALQ_RATE_MCP")
    return identity


def _check_address(request: ASGIRequest) -> None:
    if settings.PERSONALQ_HTTPS and not request.is_secure():
        raise HttpsRequired
    try:
        request.get_host()
    except DisallowedHost:
        raise InvalidInput("The Host header names none of this site's addresses.", code="bad_request") from None


def _authorization_in(headers: Headers) -> str:
    values = [value for name, value in headers if name == b"authorization"]
    if not values:
        raise NotAuthenticated
    if len(values) > 1:
        raise InvalidToken
    return values[0].decode("latin-1")


def _check_body(request: ASGIRequest, body: bytes) -> None:
    content_type, parameters = parse_header_parameters(request.META.get("CONTENT_TYPE", ""))
    charset = parameters.get("charset", "utf-8").lower()
    if content_type.lower() != JSON_TYPE or charset not in {"utf-8", "utf8"}:
        raise UnsupportedMediaType
    # The SDK's own reader takes the last of two equal keys, and NaN; nobody else may read it another way.
    if not isinstance(strict_json.parse(body, max_members=MOST_MEMBERS), dict):
        raise MalformedBody("Send one JSON-RPC message as a JSON object.")


def _headers_of(error: AppError) -> list[tuple[str, str]]:
    headers = dict(error.headers)
    if isinstance(error, InvalidToken):
        headers["WWW-Authenticate"] = f'{REALM}, error="invalid_token"'
    elif isinstance(error, NotAuthenticated):
        headers["WWW-Authenticate"] = REALM
    return list(headers.items())


async def _read(receive: Receive) -> bytes:
    # BodyLimit has read all of it, and hands it on in one piece.
    return bytes((await receive()).get("body", b""))


async def _serve(caller: Caller, body: bytes, receive: Receive, send: Send) -> None:
    """Let the SDK answer. Whatever it started has ended when this returns."""
    is_read = False

    async def replay() -> Message:
        nonlocal is_read
        if is_read:
            return await receive()
        is_read = True
        return {"type": "http.request", "body": body, "more_body": False}

    manager = StreamableHTTPSessionManager(server, stateless=True, max_request_body_size=max(len(body), 1))
    async with manager.run():
        await manager.handle_request({**caller.asgi_scope, SCOPE_KEY: caller}, replay, send)
