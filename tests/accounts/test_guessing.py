"""Guessing at passwords is slow from everywhere, and shuts nobody out."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from pytest_django import Settings

from accounts import tokens
from accounts.models import TokenFamily, User
from accounts.sign_in import guessing
from tests.accounts.clients import SecureClient, sign_in
from tests.makers import PASSWORD

pytestmark = [pytest.mark.django_db, pytest.mark.security]

WRONG = "a wrong passphrase of many words"
HOME = "198.51.100.1"


@pytest.fixture(autouse=True)
def _ten_an_hour(settings: Settings) -> Iterator[None]:
    settings.PERSONALQ_RATE_SIGN_IN_ACCOUNT = "10/h"
    cache.clear()
    yield
    cache.clear()


def attempt(address: str, password: str = WRONG, username: str = "alice") -> int:
    client = SecureClient(REMOTE_ADDR=address)
    body = {"username": username, "password": password}
    return int(client.send("/api/v1/auth/token", body).status_code)


def attack(username: str = "alice", networks: int = 12) -> list[int]:
    """One failure from each of many addresses."""
    return [attempt(f"203.0.113.{n}", username=username) for n in range(1, networks + 1)]


def test_failures_from_many_addresses_make_unknown_ones_wait(alice: User) -> None:
    assert attack() == [401] * 10 + [429] * 2
    assert attempt("192.0.2.9", PASSWORD) == 429


def test_refusal_says_how_long(alice: User) -> None:
    attack()
    answer = SecureClient().send("/api/v1/auth/token", {"username": "alice", "password": PASSWORD})
    assert 0 < int(answer["Retry-After"]) <= 3600
    assert answer["RateLimit-Policy"] == '"sign-in-account";q=10;w=3600'


def test_owner_goes_on_from_where_they_have_signed_in(alice: User) -> None:
    assert attempt(HOME, PASSWORD) == 200
    attack()
    assert attempt(HOME, PASSWORD) == 200


def test_owner_goes_on_from_another_address_of_the_same_ipv6_network(alice: User) -> None:
    assert attempt("2001:db8:1:2::1", PASSWORD) == 200
    attack()
    assert attempt("2001:db8:1:2:ffff::9", PASSWORD) == 200
    assert attempt("2001:db8:1:3::1", PASSWORD) == 429


def test_sign_in_at_the_page_makes_an_address_known(alice: User) -> None:
    sign_in(SecureClient(REMOTE_ADDR=HOME), "alice", PASSWORD)
    attack()
    assert attempt(HOME, PASSWORD) == 200


def test_address_is_forgotten_after_ninety_days(alice: User) -> None:
    attempt(HOME, PASSWORD)
    family = TokenFamily.objects.get()
    TokenFamily.objects.update(created_at=family.created_at - guessing.KNOWN_FOR)
    attack()
    assert attempt(HOME, PASSWORD) == 429


def test_known_address_is_still_limited_by_itself(alice: User, settings: Settings) -> None:
    settings.PERSONALQ_RATE_SIGN_IN_NAME = "3/h"
    assert [attempt(HOME, PASSWORD), *(attempt(HOME) for _ in range(3))] == [200, 401, 401, 429]


def test_address_known_to_one_account_is_not_known_to_another(alice: User, bob: User) -> None:
    assert attempt(HOME, PASSWORD, "bob") == 200
    attack()
    assert attempt(HOME, PASSWORD) == 429


def test_stranger_at_one_address_shuts_nobody_out_anywhere(alice: User) -> None:
    assert {attempt("203.0.113.1") for _ in range(40)} == {401, 429}
    assert attempt("192.0.2.77", PASSWORD) == 200


def test_stranger_with_a_whole_ipv6_network_shuts_nobody_out(alice: User) -> None:
    tries = {attempt(f"2001:db8:5:{n:x}::1") for n in range(60)}
    assert tries == {401, 429}
    assert attempt("192.0.2.77", PASSWORD) == 200


def test_strangers_failures_leave_the_owners_sign_in_free(alice: User) -> None:
    for _ in range(15):
        attempt("203.0.113.1")
    assert sign_in(SecureClient(REMOTE_ADDR=HOME), "alice", PASSWORD).status_code == 302


def test_who_is_signed_in_works_on(alice: User, client: SecureClient) -> None:
    pair = tokens.issue_pair(alice)
    attack()
    assert client.me(pair.access).status_code == 200
    assert client.send("/api/v1/auth/refresh", {"refresh": pair.refresh}).status_code == 200


def test_unknown_name_is_answered_alike(alice: User) -> None:
    assert attack("nobody") == attack("alice")


def test_good_sign_ins_do_not_count(alice: User) -> None:
    assert [attempt(f"203.0.113.{n}", PASSWORD) for n in range(1, 15)] == [200] * 14


def test_spellings_of_one_name_count_together(alice: User) -> None:
    names = ["alice", "ALICE", "\uff41lice", " alice"]
    for n in range(10):
        attempt(f"203.0.113.{n + 1}", username=names[n % 4])
    assert attempt("192.0.2.9", PASSWORD) == 429


@pytest.mark.parametrize("address", ["", "not-an-ip"])
def test_address_that_is_not_known_to_anybody_is_never_a_known_one(alice: User, address: str) -> None:
    assert attempt(address, PASSWORD) == 200
    attack()
    assert attempt(address, PASSWORD) == 429


def test_page_says_it_as_well(alice: User) -> None:
    attack()
    answer: Any = sign_in(SecureClient(REMOTE_ADDR="192.0.2.9"), "alice", PASSWORD)
    assert (answer.status_code, "Try again in" in answer.content.decode()) == (429, True)
