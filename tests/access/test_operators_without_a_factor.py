"""Where operators need a second factor, one who has none gets nowhere but to the page where it is set up."""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib import admin
from django.core.cache import cache
from pytest_django import Settings

from accounts import tokens
from accounts.second_factor import SecondFactorNeeded
from tests.access.matrix import ALL_METHODS, API, MATRIX, OLDER, Row
from tests.access.world import World
from tests.accounts.factors import make_factor
from tests.clients import fresh_client
from tests.makers import PASSWORD, make_operator, make_token, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.security]

SET_UP = "/account/second-factor"
OPEN = {
    "second-factor",
    "second-factor-begin",
    "second-factor-confirm",
    "second-factor-codes",
    "second-factor-off",
    "sign-out",
}
# Their callers know no users: health checks, doors with a secret of their own, signing in and out with tokens.
WITHOUT_A_USER = {
    "healthz", "readyz", "api-auth-token", "api-auth-refresh", "api-auth-logout", "cursor-agents-health",
}  # fmt: skip
CODE = SecondFactorNeeded.code


@pytest.fixture(autouse=True)
def _needed(settings: Settings) -> None:
    settings.PERSONALQ_OPERATORS_NEED_SECOND_FACTOR = True
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    cache.clear()


@pytest.fixture
def world(settings: Settings) -> World:
    settings.PERSONALQ_OPERATORS_NEED_SECOND_FACTOR = False
    made = World.make()
    settings.PERSONALQ_OPERATORS_NEED_SECOND_FACTOR = True
    return made


class Operator:
    """The operator before every route. The world's ids are looked up once."""

    def __init__(self, world: World) -> None:
        self._world, self._names = world, world._names()

    def ask(self, row: Row, method: str, *, with_token: bool) -> Any:
        client, headers = self._world.client_of("operator", with_token=with_token)
        data, address = b"" if method in {"GET", "HEAD", "OPTIONS"} else b"{}", row.address.format(**self._names)
        return client.generic(method, address, data, "application/json", secure=True, headers=headers)

    def answered(self, rows: Mapping[str, Row], methods: Iterable[str], *, with_token: bool) -> list[tuple[str, str]]:
        """The calls that were not refused for want of a factor."""
        calls = [(name, method) for name in rows for method in methods]
        return [call for call in calls if not is_refused(self.ask(rows[call[0]], call[1], with_token=with_token))]


def is_refused(response: Any) -> bool:
    """By the name of the reason, or by the way to where it is mended."""
    if response.status_code == 302:
        return bool(urlsplit(response.headers["Location"]).path == SET_UP)
    return bool(response.status_code == 403 and (CODE.encode() in response.content or not response.content))


def test_no_page_and_no_route_of_the_api_answers_a_session(world: World) -> None:
    rows = {name: row for name, row in MATRIX.items() if name not in OPEN | {"healthz", "readyz"}}
    assert Operator(world).answered(rows, ("GET", "POST"), with_token=False) == []


def test_no_method_of_the_api_answers_a_token(world: World) -> None:
    rows = {name: row for name, row in {**API, **OLDER}.items() if name not in WITHOUT_A_USER}
    assert Operator(world).answered(rows, ALL_METHODS, with_token=True) == []


def test_the_way_to_a_factor_and_the_way_out_stay_open() -> None:
    client = fresh_client()
    client.force_login(make_operator("olga"))
    for name in sorted(OPEN):  # the way out is the last one
        row = MATRIX[name]
        method = next(iter(row.cells))
        answer = client.generic(method, row.address, b"", "application/x-www-form-urlencoded", secure=True)
        assert not is_refused(answer)
        assert answer.status_code in {200, 302, 400, 409}


def test_personal_token_made_before_opens_nothing() -> None:
    text = make_token(make_operator("olga")).text
    answer = fresh_client().get("/api/v1/tasks", secure=True, headers={"Authorization": f"Bearer {text}"})
    assert (answer.status_code, answer.json()["code"]) == (403, CODE)


def test_browsable_api_says_it_too() -> None:
    access = tokens.issue_pair(make_operator("olga")).access
    bearer = {"Authorization": f"Bearer {access}", "Accept": "text/html"}
    answer = fresh_client().get("/api/v1/tasks", secure=True, headers=bearer)
    assert (answer.status_code, CODE.encode() in answer.content) == (403, True)


def test_token_endpoint_and_refresh_give_no_tokens() -> None:
    make_operator("olga")
    body = {"username": "olga", "password": PASSWORD}
    answer = fresh_client().post("/api/v1/auth/token", body, "application/json", secure=True)
    assert (answer.status_code, answer.json()["code"]) == (403, CODE)
    wrong = fresh_client().post("/api/v1/auth/token", {**body, "password": "x"}, "application/json", secure=True)
    assert wrong.json()["code"] == "invalid_credentials"


def test_refresh_token_from_before_gives_no_other(settings: Settings) -> None:
    pair = tokens.issue_pair(make_operator("olga"))
    answer = fresh_client().post("/api/v1/auth/refresh", {"refresh": pair.refresh}, "application/json", secure=True)
    assert (answer.status_code, answer.json()["code"]) == (403, CODE)
    settings.PERSONALQ_OPERATORS_NEED_SECOND_FACTOR = False
    again = fresh_client().post("/api/v1/auth/refresh", {"refresh": pair.refresh}, "application/json", secure=True)
    assert again.status_code == 200


def test_admin_site_asks_by_itself(rf: Any) -> None:
    request = rf.get("/admin/")
    request.user = make_operator("olga")
    assert not admin.site.has_permission(request)
    make_factor(request.user)
    assert admin.site.has_permission(request)


def test_with_a_factor_everything_opens_and_without_it_closes_at_once() -> None:
    client, olga = fresh_client(), make_operator("olga")
    factor = make_factor(olga)
    client.force_login(olga)
    pages = ("/", "/admin/", "/api/v1/tasks")
    assert [client.get(page, secure=True).status_code for page in pages] == [200] * 3
    factor.row.delete()
    assert all(is_refused(client.get(page, secure=True)) for page in pages)


def test_who_is_no_operator_is_not_asked() -> None:
    client = fresh_client()
    client.force_login(make_user())
    assert client.get("/api/v1/tasks", secure=True).status_code == 200


def test_page_of_the_factor_says_why() -> None:
    client = fresh_client()
    client.force_login(make_operator("olga"))
    assert b"Operators need a second factor here" in client.get(SET_UP, secure=True).content
