"""0.12: no query breaks a route of the API, and what a route does not know is refused by all of them."""

from typing import Any, Final
from urllib.parse import urlencode

import pytest
from django.core.cache import cache
from django.urls import resolve

from personalq.api_about import openapi_document
from tests.access.matrix import API
from tests.access.world import World

pytestmark = [pytest.mark.django_db, pytest.mark.security]

ROUTES: Final = {name: row for name, row in API.items() if "GET" in row.cells}
# What PostgreSQL or Python would stumble over.
VALUES: Final[tuple[str, ...]] = ("a\0", "99999999999999999999", "-1", "\ud800")
UNKNOWN: Final = ("order__gt", "\0", "owner__password__startswith", "token")
# It reads no query, and tells of nobody but who asks.
READS_NO_QUERY: Final = {"api-me"}


@pytest.fixture(autouse=True)
def uncounted(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.PERSONALQ_TELEGRAM_URL = "http://127.0.0.1:1"
    settings.PERSONALQ_RATE_READ = "1000000/m"
    cache.clear()


@pytest.fixture
def world() -> World:
    return World.make()


def parameters() -> dict[str, set[str]]:
    """The parameters of each route's query, as the document tells them, by the route's name."""
    found = {}
    for path, methods in openapi_document()["paths"].items():
        example = path.format_map(_SomeId())
        known = methods.get("get", {}).get("parameters", ())
        found[resolve(example).view_name] = {each["name"] for each in known if each["in"] == "query"}
    return found


class _SomeId(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "8a4ae0b6-3f0d-4a3c-9a53-0c1d0e4f5a6b"


def statuses(world: World, queries: dict[str, set[str]]) -> dict[tuple[str, str], int]:
    client, headers = world.client_of("operator", with_token=True)
    return {
        (name, query): client.get(
            f"{world.fill(ROUTES[name].address)}?{query}", secure=True, headers=headers
        ).status_code
        for name, wanted in queries.items()
        for query in wanted
    }


def test_no_query_breaks_a_route(world: World) -> None:
    queries = {
        name: {urlencode({each: value}, errors="surrogatepass") for each in known for value in VALUES}
        for name, known in parameters().items()
        if name in ROUTES
    }
    assert sum(len(each) for each in queries.values()) > 250
    # Telegram is away.
    assert {asked for asked, status in statuses(world, queries).items() if status >= 500 and status != 503} == set()


def test_unknown_parameters_are_refused_everywhere(world: World) -> None:
    queries = {name: {urlencode({each: "1"}) for each in UNKNOWN} for name in ROUTES if name not in READS_NO_QUERY}
    assert {asked for asked, status in statuses(world, queries).items() if status not in {400, 403}} == set()
