"""The access matrix: every cell is really requested, and no route is without a row."""

import json
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.cache import cache
from django.db import connection, transaction

from tests.access.matrix import ADMIN, ALL_METHODS, API, LED, MATRIX, OLDER, Row
from tests.access.routes import Route, all_routes
from tests.access.world import ACTORS, CANARY, World

WATCHED_TABLES = (
    "users", "token_families", "second_factors", "recovery_codes", "one_time_codes", "access_tokens",
    "agents", "queues", "tasks", "task_events", "user_limits",
    "system_settings", "bulk_actions", "credentials", "artifacts", "approvals", "budgets", "spending", "conversations",
    "older_agents",
    "schedules", "schedule_fires",
    "doors", "door_secrets", "inbound_requests",
    "webhook_endpoints", "webhook_endpoint_secrets", "webhook_deliveries",
)  # fmt: skip
METHOD_REFUSED = 405
CHANGES_NOTHING = {LED, 400, 401, 403, 404, 405, 409}
SIGNS_OUT = {("/sign-out", "POST"), ("/admin/logout/", "POST")}
"""They lead to the sign-in page because they did what they should."""


@pytest.fixture(autouse=True)
def fast_and_uncounted(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    # However long a slow machine takes for a row, looking changes nothing.
    monkeypatch.setattr("accounts.tokens.families.USE_NOTED_EVERY", timedelta(days=1))
    # Nobody is there, which is known without asking.
    settings.PERSONALQ_TELEGRAM_URL = "http://127.0.0.1:1"
    cache.clear()


def key_of(route: Route) -> str:
    """A route's name; its pattern where it has none."""
    return route.name if route.name and not route.name.endswith(":") else route.pattern


def test_every_route_has_a_row_and_every_row_a_route() -> None:
    assert {key_of(route) for route in all_routes()} == set(MATRIX)


def test_every_method_of_every_api_route_is_named_in_its_row() -> None:
    rows = {**API, **OLDER}
    routes = {route.name: route.methods for route in all_routes() if route.name in rows}
    named = {
        name: {method for method, cell in row.cells.items() if method != "OPTIONS" and METHOD_REFUSED not in cell}
        for name, row in rows.items()
    }
    assert routes == named


@pytest.mark.django_db
@pytest.mark.parametrize("name", MATRIX)
def test_each_actor_gets_the_answer_of_the_row(name: str) -> None:
    world = World.make()
    row = MATRIX[name]
    expected = {method: cell for method in ALL_METHODS if (cell := row.expected(method))}
    found = {method: tuple(ask(world, row, method, actor) for actor in ACTORS) for method in expected}
    assert found == expected


def ask(world: World, row: Row, method: str, actor: str) -> int | str:
    """The answer, after which everything is as it was before."""
    with transaction.atomic():
        before = state_of_the_database()
        response = request(world, row, method, actor)
        answer = LED if is_led_to_sign_in(response) else response.status_code
        is_change = answer not in CHANGES_NOTHING or (row.address, method) in SIGNS_OUT
        if not is_change or method in {"GET", "HEAD", "OPTIONS"}:
            assert state_of_the_database() == before, (method, actor)
        if actor in {"anonymous", "stranger"}:
            assert CANARY.encode() not in response.content, (method, actor)
        transaction.set_rollback(True)
    return answer


def request(world: World, row: Row, method: str, actor: str) -> Any:
    is_api = row.address.startswith(("/api", "/cursor-agents"))
    client, headers = world.client_of(actor, with_token=is_api)
    body = world.fill(row.bodies.get(method, {}))
    address = world.fill(row.address)
    if is_api or method != "POST":
        data = b"" if method in {"GET", "HEAD", "OPTIONS"} else json_of(body)
        return client.generic(method, address, data, "application/json", secure=True, headers=headers)
    return client.post(address, body, secure=True)


def json_of(body: Any) -> bytes:
    return json.dumps(body).encode()


def is_led_to_sign_in(response: Any) -> bool:
    return bool(response.status_code == 302 and urlsplit(response.headers["Location"]).path == "/sign-in")


def state_of_the_database() -> list[tuple[str, ...]]:
    """A digest of each table that anybody could want to change."""
    parts = [
        f"SELECT '{table}', md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {table} t"
        for table in WATCHED_TABLES
    ]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts))
        return sorted(cursor.fetchall())


def test_the_admin_is_closed_to_everybody_but_operators() -> None:
    for row in ADMIN.values():
        for cell in row.cells.values():
            assert cell[:3] == (LED, 403, 403)
