"""Test clients that speak HTTPS, as the product demands by default."""

import json
from typing import Any

from django.test import Client

JSON = "application/json"


class SecureClient(Client):
    """Django's test client, over HTTPS."""

    def generic(self, *args: Any, **kwargs: Any) -> Any:
        return super().generic(*args, **{**kwargs, "secure": True})

    def send(self, path: str, body: Any, **extra: Any) -> Any:
        """POST `body` as JSON."""
        return self.post(path, json.dumps(body), content_type=JSON, **extra)

    def me(self, token: str) -> Any:
        """Ask who the bearer of a token is."""
        return self.get("/api/v1/me", headers={"Authorization": f"Bearer {token}"})


def sign_in(client: SecureClient, username: str, password: str, **extra: Any) -> Any:
    """Sign in at the page."""
    return client.post("/sign-in", {"username": username, "password": password}, **extra)
