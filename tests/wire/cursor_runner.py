"""A stand-in of cursor-runner on a real socket, with the manners of the recorded ones.

It answers 200 before it looks at the work, tells of `success` when a program failed, sends each callback once with its
own secret in both headers, and never repeats it. `iterates` makes it an older version.
"""

import asyncio
import http.client
import itertools
import json
import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.wire.server import Exchange, Received, StandIn, WireServer

TIMESTAMP = "2026-11-22T04:27:38.861Z"
CALLBACK_SECONDS = 30
OWN_SECRET = "webhook-secret-of-the-runner"


class CursorRunner(StandIn):
    """Serves the routes that agents use; `results` are what its next executions come to.

    Args:
        secret: Its WEBHOOK_SECRET; None means that it lets everybody in.
        iterates: An older version, which has the routes for it.
        echoes: A runner of another make that brings back the secret of each request instead of its own.
        reports: Whether callbacks are sent when an execution is accepted; else `report` sends them.
    """

    def __init__(
        self,
        *,
        secret: str | None = OWN_SECRET,
        iterates: bool = False,
        echoes: bool = False,
        reports: bool = True,
    ) -> None:
        self.secret = secret
        self.iterates = iterates
        self.echoes = echoes
        self.reports = reports
        self.result: dict[str, Any] = succeeded()
        self.status = 200
        self.answers: list[tuple[int, bytes]] = []
        self.cuts_executions = False
        self.accepted: list[tuple[Received, dict[str, Any]]] = []
        self.callbacks: list[Future[tuple[int, Any]]] = []
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(8, thread_name_prefix="callbacks")
        self.server = WireServer(self._serve)

    @property
    def paths(self) -> list[str]:
        """Of the requests so far, in their order."""
        return [request.path for request in self.server.requests]

    @property
    def executions(self) -> list[dict[str, Any]]:
        """Bodies of what was to be executed or iterated."""
        wanted = [one for one in self.server.requests if "/execute" in one.path or "/iterate" in one.path]
        return [json.loads(one.body) for one in wanted]

    def report(self, number: int = -1, **changes: Any) -> tuple[int, Any]:
        """Send the callback about an accepted execution; returns status and body of the answer."""
        request, order = self.accepted[number]
        return self._call_back(request, order, {**self.result, **changes})

    def wait_for_callbacks(self, number: int = 1) -> list[tuple[int, Any]]:
        assert self.server.wait_for(lambda: len(self.callbacks) >= number)
        return [one.result(CALLBACK_SECONDS) for one in list(self.callbacks)]

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown(wait=True)
        super().__exit__(*error)

    async def _serve(self, exchange: Exchange) -> None:
        request = exchange.request
        if self.cuts_executions and "/execute" in request.path:
            exchange.cut()
            return
        if self.answers:
            status, body = self.answers.pop(0)
            await exchange.answer(status, {"Content-Type": "application/json"}, body)
            return
        match request.method, request.path:
            case "GET", "/health":
                await _say(exchange, 200, {"status": "ok", "service": "cursor-runner"})
            case "POST", "/cursor/conversation/new":
                said = {"success": True, "message": "New conversation created", "queueType": "default"}
                await _say(exchange, 200, {**said, "conversationId": f"conv-{next(self._numbers)}"})
            case "POST", "/cursor/execute/async":
                await self._accept(exchange)
            case "POST", "/cursor/iterate/async" if self.iterates:
                await self._accept(exchange)
            case "POST", "/cursor/execute":
                await _say(exchange, self.status, self._told(json.loads(request.body)))
            case "POST", "/cursor/iterate" if self.iterates:
                told = self._told(json.loads(request.body))
                await _say(exchange, 200 if told["success"] is True else 422, told)
            case _:
                missing = {"success": False, "error": "Route not found", "path": request.path}
                await _say(exchange, 404, {**missing, "method": request.method})

    async def _accept(self, exchange: Exchange) -> None:
        request, order = exchange.request, json.loads(exchange.request.body)
        is_open = self.secret is None or "/iterate" in request.path
        if not is_open and not self.echoes and request.headers.get("x-webhook-secret") != self.secret:
            error = "Unauthorized - invalid or missing webhook secret"
            await _say(exchange, 401, {"success": False, "error": error, "timestamp": TIMESTAMP})
            return
        with self._lock:
            self.accepted.append((request, order))
            if self.reports:
                self.callbacks.append(self._pool.submit(self._call_back, request, order, self.result))
        said = {"success": True, "message": "Request accepted, processing asynchronously"}
        await _say(exchange, 200, {**said, "requestId": order.get("id", "req-1"), "timestamp": TIMESTAMP})

    def _told(self, order: Mapping[str, Any], result: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return {"requestId": order.get("id", "req-1"), **(self.result if result is None else result)}

    def _call_back(self, request: Received, order: Mapping[str, Any], result: Mapping[str, Any]) -> tuple[int, Any]:
        url = urlsplit(order["callbackUrl"])
        query = dict(parse_qsl(url.query))
        secret = query.pop("secret", None) or self._own_secret(request)
        headers = {"Content-Type": "application/json", "User-Agent": "cursor-runner/1.0"}
        if secret:
            headers |= {"X-Webhook-Secret": secret, "X-Cursor-Runner-Secret": secret}
        address = f"{url.path}?{urlencode(query)}" if query else url.path
        return post(url.netloc, address, json.dumps(self._told(order, result)).encode(), headers)

    def _own_secret(self, request: Received) -> str | None:
        return request.headers.get("x-webhook-secret") if self.echoes else self.secret


def post(netloc: str, address: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, Any]:
    """One POST; returns status and the JSON of the answer."""
    connection = http.client.HTTPConnection(netloc, timeout=CALLBACK_SECONDS)
    try:
        connection.request("POST", address, body, dict(headers))
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def succeeded(output: str = "done", **changes: Any) -> dict[str, Any]:
    """As it tells of every program that ended, however it ended."""
    told = {"success": True, "command": ["--print"], "output": output, "error": None, "exitCode": 0, "duration": "16ms"}
    return {**told, "timestamp": TIMESTAMP, **changes}


def timed_out() -> dict[str, Any]:
    """As it tells of a program that took too long: nothing but this."""
    return {"success": False, "error": "Command timeout after 4000ms", "timestamp": TIMESTAMP}


async def _say(exchange: Exchange, status: int, body: Any) -> None:
    await exchange.answer(status, {"Content-Type": "application/json; charset=utf-8"}, json.dumps(body).encode())
    await asyncio.sleep(0)
