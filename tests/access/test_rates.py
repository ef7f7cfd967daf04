"""A-155, V2.4.1: whatever the API does for whoever is signed in, it does a limited number of times."""

from typing import Any, Final

import pytest
from django.core.cache import cache
from django.db import transaction

from personalq.lib.rates import DEFAULT_RATES
from tests.access.matrix import API, OLDER, Row
from tests.access.world import World

pytestmark = [pytest.mark.django_db, pytest.mark.security]

ROWS: Final = {**API, **OLDER}
# Signing in and proving one's password are counted by name and address, once there is a password to compare
# (tests/accounts); nobody is kept from signing out; the rest tells who asks, or the same few words to everybody.
WITHOUT: Final = {"api-auth-token", "api-me-password", "api-auth-logout", "api-me", "cursor-agents-health"}
# No such method, or a sign-in that the first request has ended.
NOTHING_DONE: Final = {401, 404, 405}


@pytest.fixture(autouse=True)
def fast(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.PERSONALQ_TELEGRAM_URL = "http://127.0.0.1:1"


def second_answer(world: World, row: Row, method: str) -> Any:
    """To a request of the owner that comes twice. Its body is wrong, so that it changes nothing."""
    cache.clear()
    # Filled in once: a thing that the first request deletes has no id for the second.
    address = world.fill(row.address)
    client, headers = world.client_of("owner", with_token=True)
    with transaction.atomic():
        for body in ("{}", '{"nothing": 1}'):
            data = b"" if method == "GET" else body
            answer = client.generic(method, address, data, "application/json", secure=True, headers=headers)
        transaction.set_rollback(True)
    return answer


def test_every_method_of_every_route_has_a_limit(settings: Any) -> None:
    world, unlimited, limited = World.make(), dict[tuple[str, str], int](), 0
    for name in DEFAULT_RATES:
        setattr(settings, name, "1/h")
    for name, row in ROWS.items():
        for method in set(row.cells) - {"OPTIONS", "HEAD"}:
            answer = second_answer(world, row, method)
            is_told = answer.status_code == 429 and 0 < int(answer["Retry-After"]) <= 3600
            if not is_told and answer.status_code not in NOTHING_DONE and name not in WITHOUT:
                unlimited[name, method] = answer.status_code
            limited += is_told
    assert unlimited == {}
    assert limited > 100
