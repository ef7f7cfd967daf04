"""One-time codes and passwords that are used and changed at the same moment."""

from functools import partial
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.core.cache import cache
from django.test import RequestFactory
from pytest_django import Settings

from accounts import invitations, one_time_codes, passwords
from accounts.models import OneTimeCode, User
from accounts.one_time_codes import CodeRefused, NewCode, Purpose
from accounts.passwords import resets
from tests.concurrency.racing import ROUNDS, failures, race
from tests.makers import PASSWORD, make_operator, make_user

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.security]

FIRST, SECOND = "quite another ordinary sentence", "one more ordinary sentence"


@pytest.fixture(autouse=True)
def fast_and_uncounted(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.RATELIMIT_ENABLE = False
    cache.clear()


@pytest.fixture
def alice() -> User:
    return make_user("alice")


def request() -> Any:
    return RequestFactory().post("/")


def reset_of(user: User) -> NewCode:
    return one_time_codes.make(Purpose.RESET, user=user, lasting=resets.LIFETIME)


def names(results: list[Any]) -> list[str]:
    return [type(error).__name__ for error in failures(results)]


def test_of_two_who_use_one_reset_code_one_wins(alice: User) -> None:
    for _ in range(ROUNDS):
        code = reset_of(alice).text
        results = race(*(partial(resets.use, request(), code=code, new=new) for new in (FIRST, SECOND)))
        assert names(results) == ["CodeRefused"]
        won = FIRST if isinstance(results[1], CodeRefused) else SECOND
        assert authenticate(username="alice", password=won) == alice


def test_of_many_who_use_one_invitation_one_gets_an_account() -> None:
    operator = make_operator()
    for number in range(ROUNDS):
        invitation = invitations.make(actor=operator, email="grace@example.net")
        code = invitation.link.partition("#")[2]
        contenders = [
            partial(invitations.accept, request(), code=code, username=f"grace-{number}-{each}", password=FIRST)
            for each in "abc"
        ]
        assert names(race(*contenders)) == ["CodeRefused", "CodeRefused"]
        assert User.objects.filter(username__startswith=f"grace-{number}-").count() == 1


def test_of_two_invitations_for_one_name_one_wins() -> None:
    operator = make_operator()
    for number in range(ROUNDS):
        codes = [invitations.make(actor=operator, email="g@example.net").link.partition("#")[2] for _ in range(2)]
        name = f"grace-{number}"
        results = race(
            *(partial(invitations.accept, request(), code=code, username=name, password=FIRST) for code in codes)
        )
        assert names(results) == ["UserNameTaken"]
        # Whose name was taken keeps the invitation.
        assert OneTimeCode.objects.live().count() == 1
        OneTimeCode.objects.all().delete()


def test_an_invitation_that_is_withdrawn_meanwhile_is_either_used_or_over() -> None:
    operator = make_operator()
    for number in range(ROUNDS):
        made = invitations.make(actor=operator, email="grace@example.net")
        code, name = made.link.partition("#")[2], f"grace-{number}"
        results = race(
            partial(invitations.accept, request(), code=code, username=name, password=FIRST),
            partial(invitations.withdraw, actor=operator, invitation=made.row),
        )
        assert names(results) in (["CodeRefused"], ["InvitationOver"])
        used = User.objects.filter(username=name).exists()
        assert used == isinstance(results[1], invitations.InvitationOver)


def test_a_code_and_a_newer_one_never_wait_for_each_other(alice: User) -> None:
    for _ in range(ROUNDS):
        code = reset_of(alice).text
        results = race(partial(resets.use, request(), code=code, new=FIRST), partial(reset_of, alice))
        assert names(results) in ([], ["CodeRefused"])


def test_of_two_newer_codes_one_is_good(alice: User) -> None:
    for _ in range(ROUNDS):
        results = race(partial(reset_of, alice), partial(reset_of, alice))
        assert failures(results) == []
        assert OneTimeCode.objects.live().count() == 1


def test_of_two_who_change_a_password_that_both_know_one_wins(alice: User) -> None:
    present = PASSWORD
    for number in range(ROUNDS):
        wanted = [f"{FIRST} {number}", f"{SECOND} {number}"]
        results = race(
            *(
                partial(
                    passwords.change,
                    request(),
                    user=User.objects.get(pk=alice.pk),
                    current=present,
                    new=new,
                    keeps_session=False,
                )
                for new in wanted
            )
        )
        # Whoever was later still found the old password in the row, or the new one.
        assert names(results) in (["PasswordChanged"], ["InvalidInput"])
        present = wanted[0] if isinstance(results[0], User) else wanted[1]
        assert authenticate(username="alice", password=present) == alice


def test_a_sign_in_that_renews_an_older_hash_never_brings_the_password_back(alice: User) -> None:
    for number in range(ROUNDS):
        signing_in = User.objects.get(pk=alice.pk)
        new = f"{FIRST} {number}"
        results = race(
            partial(passwords.replace, actor=None, user=alice, new=new, how="command"),
            partial(signing_in._renew_hash, PASSWORD),
        )
        assert failures(results) == []
        assert User.objects.get(pk=alice.pk).check_password(new)
