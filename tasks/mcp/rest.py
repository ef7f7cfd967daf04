"""The routes of REST, called within the process.

A tool is another way to say what a route says. It goes through the same view, so rules, ownership, scopes, rates,
idempotency and the form of the answer are those of REST, and there is no second place where they could differ.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from io import BytesIO
from typing import Any, Final
from urllib.parse import urlencode

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponseBase
from django.urls import resolve
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response

from personalq.lib import afterwards
from personalq.lib.current_request import serving
from personalq.lib.errors import AppError, FieldError
from personalq.lib.middleware import settle_proxy_headers
from personalq.lib.rate_limits import limit
from tasks.mcp.callers import Caller
from tasks.models.task import Source

PREFIX: Final = "/api/v1"
_FIRST_ERROR_STATUS: Final = 400
_NO_CONTENT: Final = 204
# What decides about host, scheme and client address of links and limits.
_KEPT_HEADERS: Final = frozenset({
    b"host", b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-port", b"x-forwarded-proto",
    b"x-real-ip",
})  # fmt: skip


class RouteRefusedError(AppError):
    """What a route refused, in its own words."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        errors = [FieldError(each["field"], each["code"], each["message"]) for each in problem["errors"]]
        super().__init__(problem["detail"], code=problem["code"], errors=errors)
        # An error of a class has them from there; this one stands for errors of all classes.
        vars(self).update(title=problem["title"], status=problem["status"])


class Rest:
    """The API as one caller meets it. Blocking: for a thread that may ask the database.

    Each method returns the JSON of the answer, None for an answer without content, and raises RouteRefusedError.
    """

    def __init__(self, caller: Caller) -> None:
        self.caller = caller

    def get(self, path: str, **query: Any) -> Any:
        parameters = {name: _as_parameter(value) for name, value in query.items() if value is not None}
        return self._call("GET", path, query=urlencode(parameters))

    def post(self, path: str, body: Mapping[str, Any] | None = None, *, idempotency_key: str | None = None) -> Any:
        extra = [] if idempotency_key is None else [(b"idempotency-key", idempotency_key.encode("latin-1", "replace"))]
        return self._call("POST", path, body=body or {}, headers=extra)

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._call("PATCH", path, body=body)

    def delete(self, path: str) -> Any:
        return self._call("DELETE", path)

    def count(self, group: str, rate: str) -> None:
        """Count one call among those of the routes of this limit, for tools that call none. Raises RateLimited."""
        request = self._request("POST", self.caller.asgi_scope["path"], "", b"", [])
        limit(request, group=group, key=f"user\n{self.caller.user.pk}", rate=rate)

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        body: Mapping[str, Any] | None = None,
        headers: list[tuple[bytes, bytes]] | None = None,
    ) -> Any:
        # In one order, so that a repeated call has the fingerprint of the first one.
        content = b"" if body is None else json.dumps(body, sort_keys=True).encode()
        request = self._request(method, PREFIX + path, query, content, headers or [])
        view, arguments, named = resolve(request.path_info)
        mark = replace(self.caller.mark, method=method, path=request.path_info)
        with serving(mark), afterwards.gathering():
            return _read(view(request, *arguments, **named))

    def _request(
        self, method: str, path: str, query: str, content: bytes, headers: list[tuple[bytes, bytes]]
    ) -> ASGIRequest:
        outer = self.caller.asgi_scope
        kept = [(name, value) for name, value in outer["headers"] if name in _KEPT_HEADERS]
        own = [
            (b"authorization", self.caller.authorization.encode("latin-1")),
            (b"accept", JSONRenderer.media_type.encode()),
            *([(b"content-type", JSONRenderer.media_type.encode())] if content else []),
            (b"content-length", str(len(content)).encode()),
        ]
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "scheme": outer.get("scheme", "http"),
            "client": outer.get("client"),
            "server": outer.get("server"),
            "headers": [*kept, *own, *headers],
        }
        request = ASGIRequest(scope, BytesIO(content))
        settle_proxy_headers(request)
        request.request_id = self.caller.request_id  # type: ignore[attr-defined]
        request.task_source = Source.MCP  # type: ignore[attr-defined]
        return request


def _read(response: HttpResponseBase) -> Any:
    if isinstance(response, Response):
        response.render()
    if response.status_code == _NO_CONTENT:
        return None
    document = json.loads(getattr(response, "content", b"null"))
    if response.status_code >= _FIRST_ERROR_STATUS:
        raise RouteRefusedError(document)
    return document


def _as_parameter(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(value) if isinstance(value, list) else str(value)
