"""A small client of the REST API and the event socket, as a user's own script would have it."""

import json
import threading
import urllib.error
import urllib.request
from typing import Any, Self

from websockets.sync.client import ClientConnection, connect


class Api:
    """Calls the API with a token; raises RuntimeError with the problem's code when a call is refused."""

    def __init__(self, url: str, username: str, password: str) -> None:
        self.url = url
        self.token = ""
        signed_in = self.call("POST", "/auth/token", {"username": username, "password": password})
        self.token = signed_in["access"]

    def call(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            path if path.startswith("http") else f"{self.url}/api/v1{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", **self._authorization()},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return json.loads(response.read() or b"null")
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.code} {error.read().decode()}") from None

    def every(self, path: str) -> list[Any]:
        """All results of a list, page by page."""
        found: list[Any] = []
        following: str | None = path
        while following:
            page = self.call("GET", following)
            found += page["results"]
            following = page["next"]
        return found

    def _authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


class Watcher:
    """Collects every event of the user in a thread, in the order of arrival."""

    def __init__(self, api: Api) -> None:
        self.events: list[dict[str, Any]] = []
        self.changed = threading.Condition()
        self._socket: ClientConnection = connect(api.url.replace("http", "ws", 1) + "/ws/", max_size=None)
        self._socket.send(json.dumps({"action": "auth", "token": api.token}))
        self._expect("authenticated")
        self._socket.send(json.dumps({"action": "subscribe", "to": "all"}))
        self._expect("subscribed")
        threading.Thread(target=self._collect, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def _expect(self, event: str) -> None:
        message = json.loads(self._socket.recv(timeout=10))
        if message["event"] != event:
            raise RuntimeError(f"expected {event}, got {message}")

    def _collect(self) -> None:
        for frame in self._socket:
            message = json.loads(frame)
            if "task" in message:
                with self.changed:
                    self.events.append(message)
                    self.changed.notify_all()
