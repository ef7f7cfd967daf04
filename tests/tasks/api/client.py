"""A client that speaks to the API like programs do, without the network."""

import json
from typing import Any

from accounts import tokens
from accounts.models import User
from tests.clients import fresh_client


class Api:
    """Sends JSON as one user, with a real access token or the one given; without either as a stranger to the house."""

    def __init__(self, user: User | None = None, *, token: str = "") -> None:
        self.client = fresh_client()
        token = token or (tokens.issue_pair(user).access if user else "")
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def get(self, path: str, **query: Any) -> Any:
        return self.send("GET", path, query_params=query)

    def post(self, path: str, body: Any = None, *, key: str | None = None) -> Any:
        """POST, with an Idempotency-Key if one is given."""
        extra = {} if key is None else {"HTTP_IDEMPOTENCY_KEY": key}
        return self.send("POST", path, body, **extra)

    def patch(self, path: str, body: Any) -> Any:
        return self.send("PATCH", path, body)

    def delete(self, path: str) -> Any:
        return self.send("DELETE", path)

    def send(self, method: str, path: str, body: Any = None, *, content_type: str | None = None, **extra: Any) -> Any:
        """Send a body as JSON; bytes and text go as they are. Without body there is no content type either."""
        if body is not None and not isinstance(body, bytes | str):
            body = json.dumps(body)
        if content_type is None:
            content_type = "" if body is None else "application/json"
        data = b"" if body is None else body
        return self.client.generic(
            method, address(path), data, content_type, secure=True, headers=self.headers, **extra
        )


def address(path: str) -> str:
    """A path below /api/v1, or a whole address as answers hold them."""
    return path if path.startswith(("/api", "http")) else f"/api/v1/{path}"


def codes(response: Any) -> dict[str, str]:
    """Which field a problem document blames for what."""
    return {error["field"]: error["code"] for error in response.json()["errors"]}
