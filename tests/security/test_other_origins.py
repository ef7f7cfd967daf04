"""What pages of other origins may do: nothing. There is no list of origins that may read, so none can be imitated."""

import pytest

from tests.access.world import World
from tests.clients import fresh_client

pytestmark = [pytest.mark.security, pytest.mark.django_db]

ORIGINS = [
    "https://testserver",
    "https://testserver.evil.example",
    "https://eviltestserver",
    "https://testserver:8443",
    "http://testserver",
    "https://TESTSERVER",
    "https://evil.example",
    "http://localhost:3000",
    "null",
    "*",
    "https://testserver, https://evil.example",
]
PATHS = [
    "/api/v1/tasks",
    "/api/v1/me",
    "/api/v1/auth/token",
    "/mcp",
    "/cursor-agents/health",
    "/",
    "/sign-in",
    "/healthz",
    "/admin/",
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("origin", ORIGINS)
def test_no_origin_is_let_in(origin: str, path: str) -> None:
    """A-114: neither echoed nor allowed, also not with a wildcard."""
    response = fresh_client().get(path, secure=True, headers={"Origin": origin})
    assert not [name for name in response.headers if name.lower().startswith("access-control-")]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("origin", ORIGINS[:4])
def test_no_origin_is_let_in_when_it_asks_beforehand(origin: str, path: str) -> None:
    """A-120: what a browser asks before a request that is not simple."""
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    response = fresh_client().options(path, secure=True, headers=asked)
    assert not [name for name in response.headers if name.lower().startswith("access-control-")]


def test_every_text_names_its_charset() -> None:
    """V4.1.1: JSON is UTF-8 by its own standard; whatever else is text says so."""
    world = World.make()
    client, headers = world.client_of("owner", with_token=True)
    page, _ = world.client_of("owner", with_token=False)
    for path in ("/api/v1/tasks", "/api/v1/nothing", "/api/v1/schema"):
        kind = client.get(path, secure=True, headers=headers).headers["Content-Type"]
        assert "json" in kind or "charset=utf-8" in kind.lower(), path
    for path in ("/", "/tasks", "/sign-in", "/nothing", "/api/v1/docs"):
        assert "charset=utf-8" in page.get(path, secure=True, follow=True).headers["Content-Type"].lower(), path
