"""Every route answers with every header, under the settings of one machine and of production (A-108 to A-121)."""

import json
from collections import Counter
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.cache import cache
from django.db import transaction
from django.test import Client
from django.test.client import ClientHandler
from pytest_django import Settings

from tests.access.matrix import MATRIX, Row
from tests.access.world import World
from tests.contracts import reading
from tests.lib.header_rules import Headers

pytestmark = [pytest.mark.security, pytest.mark.django_db]

DEVELOPMENT = {
    "PERSONALQ_HTTPS": False,
    "SECURE_SSL_REDIRECT": False,
    "SECURE_HSTS_SECONDS": 0,
    "SECURE_HSTS_INCLUDE_SUBDOMAINS": False,
    "SECURE_HSTS_PRELOAD": False,
    "SESSION_COOKIE_NAME": "personalq-session",
    "SESSION_COOKIE_SECURE": False,
    "CSRF_COOKIE_NAME": "personalq-csrf",
    "CSRF_COOKIE_SECURE": False,
}
PRODUCTION = {
    "PERSONALQ_HTTPS": True,
    "SECURE_SSL_REDIRECT": True,
    "SECURE_HSTS_SECONDS": 63_072_000,
    "SECURE_HSTS_INCLUDE_SUBDOMAINS": True,
    "SECURE_HSTS_PRELOAD": True,
    "SESSION_COOKIE_NAME": "__Host-session",
    "SESSION_COOKIE_SECURE": True,
    "CSRF_COOKIE_NAME": "__Host-csrf",
    "CSRF_COOKIE_SECURE": True,
}
# Each pair costs a request of every route. Together they get every status that a route has.
ASKED = {
    "development": (("GET", "anonymous"), ("TRACE", "anonymous"), ("GET", "owner")),
    "production": (("GET", "anonymous"), ("PATCH", "anonymous"), ("POST", "operator")),
}
STATUSES = {"development": {200, 302, 401, 403, 404, 405}, "production": {200, 302, 400, 401, 403, 404, 405, 415}}
# What strangers may have, and may keep: a file of the product that is the same for everybody.
STORED = {"personalq-cli"}


@pytest.fixture(autouse=True)
def fast(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.PERSONALQ_TELEGRAM_URL = "http://127.0.0.1:1"
    cache.clear()


def new_client() -> Client:
    """A client whose layers, which it makes with its first request, know the settings of the test."""
    client = Client(raise_request_exception=False)
    client.handler = ClientHandler(enforce_csrf_checks=False)
    return client


def apply(settings: Settings, environment: dict[str, Any]) -> None:
    for name, value in environment.items():
        setattr(settings, name, value)


@pytest.mark.parametrize(
    ("environment", "expected"), [({}, PRODUCTION), ({"PERSONALQ_HTTPS": "false"}, DEVELOPMENT)], ids=("unset", "false")
)
def test_the_settings_are_those_that_are_tried_here(environment: dict[str, str], expected: dict[str, Any]) -> None:
    """V3.3.1-3.3.4, B-C-4: what an installation starts with."""
    code = (
        "import json; from personalq import settings; "
        f"print(json.dumps({{name: getattr(settings, name) for name in {list(expected)}}}))"
    )
    assert json.loads(reading.loaded_by(code, **environment)) == expected


@pytest.mark.parametrize("environment", ASKED)
def test_every_route_answers_with_every_header(environment: str, settings: Settings) -> None:
    apply(settings, {"development": DEVELOPMENT, "production": PRODUCTION}[environment])
    https, world, client = settings.PERSONALQ_HTTPS, World.make(), new_client()
    statuses, faults = Counter[int](), dict[tuple[Any, ...], list[str]]()
    for name, row in MATRIX.items():
        for method, actor in ASKED[environment]:
            answer = ask(world, client, row, method, actor, secure=https)
            statuses[answer.status_code] += 1
            found = Headers.of_client(answer).faults(https=https, may_be_stored=name in STORED)
            faults |= {(name, method, actor, answer.status_code): found} if found else {}
    assert faults == {}
    assert STATUSES[environment] <= set(statuses), statuses


def test_every_route_is_refused_or_redirected_over_http_with_every_header(settings: Settings) -> None:
    """A-158: pages lead to HTTPS, programs' paths are refused."""
    apply(settings, PRODUCTION)
    world, statuses, faults = World.make(), Counter[int](), dict[str, list[str]]()
    client = new_client()
    for name, row in MATRIX.items():
        answer = ask(world, client, row, "GET", "operator", secure=False)
        statuses[answer.status_code] += 1
        found = Headers.of_client(answer).faults(https=False)
        faults |= {name: found} if found else {}
        is_led = answer.headers.get("Location", "").startswith("https://")
        assert answer.status_code == (301 if is_led else 403) or name in {"healthz", "readyz"}, name
    assert faults == {}
    assert {301, 403} <= set(statuses)


def ask(world: World, client: Client, row: Row, method: str, actor: str, *, secure: bool) -> Any:
    """The answer, after which everything is as it was before."""
    client.cookies.clear()
    # People see the browsable API.
    headers = {"Accept": "text/html"} if actor == "owner" else {}
    is_api = row.address.startswith(("/api", "/cursor-agents"))
    if actor != "anonymous" and is_api:
        headers["Authorization"] = f"Bearer {world.bearers[actor]}"
    elif actor != "anonymous":
        client.cookies[django_settings.SESSION_COOKIE_NAME] = world.cookies[actor]
    address, body = world.fill(row.address), world.fill(row.bodies.get(method, {}))
    with transaction.atomic():
        if method == "POST" and not is_api:
            answer = client.post(address, body, secure=secure, headers=headers)
        else:
            data = b"{}" if method in {"POST", "PATCH"} else b""
            answer = client.generic(method, address, data, "application/json", secure=secure, headers=headers)
        transaction.set_rollback(True)
    return answer
