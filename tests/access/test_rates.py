"""A-155, V2.4.1: whatever API and pages do for whoever is signed in, they do a limited number of times."""

from dataclasses import replace
from typing import Any, Final

import pytest
from django.core.cache import cache
from django.db import transaction

from personalq.lib.rates import DEFAULT_RATES
from tests.access.matrix import API, OLDER, PAGES, Row
from tests.access.world import World

pytestmark = [pytest.mark.django_db, pytest.mark.security]

ROWS: Final = {**API, **OLDER}
# Signing in and proving one's password are counted by name and address, once there is a password to compare
# (tests/accounts); nobody is kept from signing out; the rest tells who asks, or the same few words to everybody.
WITHOUT: Final = {"api-auth-token", "api-me-password", "api-auth-logout", "api-me", "cursor-agents-health"}
# The owner here has no second factor and the product sends no e-mail: these are counted where they can be sent
# (tests/accounts). Nobody is kept from signing out.
PAGES_WITHOUT: Final = {
    "sign-in", "sign-in-code", "reset", "account-email", "second-factor-codes", "second-factor-off", "sign-out",
}  # fmt: skip
_DOOR: Final = {"name": "new", "agent": "{agent}"}
# In the place of what comes to nothing in the matrix.
GOOD_FORMS: Final = {"door-new": replace(PAGES["door-new"], address="/doors/new?kind=github", bodies={"POST": _DOOR})}
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


def second_answer_of_page(world: World, row: Row) -> Any:
    """To a good form of somebody who may send it, which comes twice and finds everything as it was."""
    cache.clear()
    actor = "operator" if row.cells["POST"][2] == 403 else "owner"
    address, form = world.fill(row.address), world.fill(row.bodies.get("POST", {}))
    for _ in range(2):
        client, _headers = world.client_of(actor, with_token=False)
        # What is counted stays counted.
        with transaction.atomic():
            answer = client.post(address, form, secure=True)
            transaction.set_rollback(True)
    return answer


def test_every_form_of_every_page_has_a_limit(settings: Any) -> None:
    world, unlimited, limited = World.make(), dict[str, int](), 0
    for name in DEFAULT_RATES:
        setattr(settings, name, "1/h")
    for name in [name for name, row in PAGES.items() if "POST" in row.cells]:
        answer = second_answer_of_page(world, GOOD_FORMS.get(name, PAGES[name]))
        if answer.status_code == 429:
            limited += 1
        elif name not in PAGES_WITHOUT:
            unlimited[name] = answer.status_code
    assert unlimited == {}
    assert limited > 80
