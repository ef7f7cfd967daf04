"""The token that a page's script opens the socket with."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts import tokens
from accounts.models import User
from personalq.lib.errors import InvalidToken
from tests.accounts.clients import SecureClient

pytestmark = [pytest.mark.django_db, pytest.mark.security]

ADDRESS = "/session/socket-token"


def test_signed_in_person_gets_one_that_ends_soon(page: SecureClient, alice: User) -> None:
    answer = page.post(ADDRESS)
    body = answer.json()
    assert set(body) == {"token", "expires_at"}
    identity = tokens.socket_identity_of(body["token"])
    assert identity.user == alice
    assert datetime.fromisoformat(body["expires_at"]) == identity.expires_at
    assert identity.expires_at < timezone.now() + timedelta(hours=1)
    assert answer["Cache-Control"] == "no-store"


def test_stranger_gets_none() -> None:
    answer = SecureClient().post(ADDRESS)
    assert answer.status_code == 401
    assert answer.json()["code"] == "not_authenticated"


def test_another_site_cannot_ask_for_one(alice: User) -> None:
    browser = SecureClient(enforce_csrf_checks=True)
    browser.force_login(alice)
    assert browser.post(ADDRESS).status_code == 403


def test_signing_out_ends_it(page: SecureClient) -> None:
    token = page.post(ADDRESS).json()["token"]
    assert tokens.socket_identity_of(token).scopes is None
    page.post("/sign-out")
    with pytest.raises(InvalidToken):
        tokens.socket_identity_of(token)


def test_it_opens_nothing_but_the_socket(page: SecureClient) -> None:
    token = page.post(ADDRESS).json()["token"]
    assert page.me(token).status_code == 401
    assert SecureClient().post("/api/v1/tasks", headers={"Authorization": f"Bearer {token}"}).status_code == 401
    with pytest.raises(InvalidToken):
        tokens.rotate(token)


def test_it_is_in_no_page(page: SecureClient) -> None:
    token = page.post(ADDRESS).json()["token"]
    assert token not in page.get("/").content.decode()


def test_too_many_are_refused(page: SecureClient, settings: Settings) -> None:
    settings.PERSONALQ_RATE_TOKEN_REFRESH = "1/h"
    page.post(ADDRESS)
    answer = page.post(ADDRESS, headers={"Accept": "application/json"})
    assert answer.status_code == 429
    assert int(answer["Retry-After"]) > 0
