"""The running product, as programs reach it."""

import json
import re
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.embedded.running import Home, Run, wait_for

LEEWAY = timedelta(seconds=3)


@dataclass
class Product:
    """One `manage.py up` and its first operator."""

    url: str
    username: str
    password: str
    home: Home
    _token: str = ""
    _good_until: datetime | None = None

    @classmethod
    def of(cls, run: Run) -> "Product":
        found = re.search(r"Sign in as (\S+) with the password (\S+)", run.output)
        assert found is not None, run.output
        return cls(url=f"http://127.0.0.1:{run.port}", username=found[1], password=found[2], home=run.home)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """The answer of the API to the operator."""
        return self._send(method, path, body, {"Authorization": f"Bearer {self._fresh_token()}"})

    def make_agent(self, name: str, **fields: Any) -> str:
        """The id of the operator's agent of this name, made when it is not there yet."""
        found = [each for each in self.call("GET", "/api/v1/agents?page_size=100")["results"] if each["name"] == name]
        made: str = (found or [self.call("POST", "/api/v1/agents", {"name": name, **fields})])[0]["uuid"]
        return made

    def queue(self, agent: str, prompt: str, **fields: Any) -> str:
        """The id of a new task for the agent of this id or name."""
        made: str = self.call("POST", "/api/v1/tasks", {"agent": agent, "prompt": prompt, **fields})["uuid"]
        return made

    def cancel(self, task: str) -> None:
        self.call("POST", f"/api/v1/tasks/{task}/cancel")

    def status(self, task: str) -> str:
        found: str = self.call("GET", f"/api/v1/tasks/{task}")["status"]
        return found

    def wait_for_status(self, task: str, *wanted: str) -> None:
        wait_for(lambda: self.status(task) in wanted, f"{wanted} of task {task}")

    def wait_for_attempts(self, task: str, number: int) -> None:
        """Wait until a task has been tried so often and the last try has ended."""
        path = f"/api/v1/tasks/{task}/attempts"

        def has_ended() -> bool:
            attempts = self.call("GET", path)["results"]
            return any(each["attempt"] == number and each["ended_at"] for each in attempts)

        wait_for(has_ended, f"attempt {number} of task {task}")

    def _fresh_token(self) -> str:
        if self._good_until is None or datetime.now(UTC) > self._good_until:
            credentials = {"username": self.username, "password": self.password}
            signed = self._send("POST", "/api/v1/auth/token", credentials, {})
            self._token = signed["access"]
            self._good_until = datetime.fromisoformat(signed["expires_at"]) - LEEWAY
        return self._token

    def _send(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {**headers, "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)  # noqa: S310 - our own address
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return json.loads(answer.read() or b"null")
