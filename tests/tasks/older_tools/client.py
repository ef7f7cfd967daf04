"""A client that knows nothing but the paths of the older service."""

import json
from typing import Any

from accounts import tokens
from accounts.models import User
from tests.clients import fresh_client


class OldClient:
    """Sends JSON with a bearer token, as the older scripts do once somebody has told them the token."""

    def __init__(self, user: User | None = None, *, token: str = "") -> None:
        self.client = fresh_client()
        token = token or (tokens.issue_pair(user).access if user else "")
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def send(self, method: str, path: str, body: Any = None, **extra: Any) -> Any:
        """`path` as the older service has it, such as /agents."""
        data = b"" if body is None else json.dumps(body)
        kind = "" if body is None else "application/json"
        address = f"/cursor-agents{path}"
        return self.client.generic(method, address, data, kind, secure=True, headers=self.headers, **extra)

    def get(self, path: str) -> Any:
        return self.send("GET", path)

    def post(self, path: str, body: Any) -> Any:
        return self.send("POST", path, body)

    def delete(self, path: str) -> Any:
        return self.send("DELETE", path)

    def make(self, name: str, **members: Any) -> Any:
        """Create an agent that runs once unless a schedule is given."""
        usual = {} if "schedule" in members else {"oneTime": True}
        return self.post("/agents", {"name": name, "targetUrl": "https://target.example.org/run", **usual, **members})
