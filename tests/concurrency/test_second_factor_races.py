"""Codes that many bring at once: each is good for one of them."""

from functools import partial
from typing import Any

import pytest
from django.test import RequestFactory

from accounts.models import RecoveryCode, SecondFactor, User
from accounts.second_factor import step
from accounts.second_factor.step import WrongCode
from tests.accounts.factors import Factor, make_factor
from tests.concurrency.racing import race
from tests.makers import make_user

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.security]

ROUNDS = 10
NOW = 60_000_000


@pytest.fixture(autouse=True)
def _still_clock_and_no_limits(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    monkeypatch.setattr("accounts.second_factor.totp.step_now", lambda: NOW)
    settings.RATELIMIT_ENABLE = False
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def bring(user: User, code: str) -> str:
    step.check(RequestFactory().post("/"), user, code)
    return "in"


def outcomes(results: list[Any]) -> list[str]:
    return sorted("in" if each == "in" else type(each).__name__ for each in results)


def owner_with_factor() -> tuple[User, Factor]:
    user = make_user()
    return user, make_factor(user)


def test_of_two_who_bring_one_code_of_the_app_one_gets_in() -> None:
    for _ in range(ROUNDS):
        user, factor = owner_with_factor()
        results = race(*[partial(bring, user, factor.code()) for _ in range(2)])
        assert outcomes(results) == [WrongCode.__name__, "in"]


def test_of_many_who_bring_one_recovery_code_one_gets_in() -> None:
    for _ in range(ROUNDS):
        user, factor = owner_with_factor()
        results = race(*[partial(bring, user, factor.paper[0]) for _ in range(4)])
        assert outcomes(results) == [*[WrongCode.__name__] * 3, "in"]
        assert RecoveryCode.objects.filter(factor=factor.row, used_at__isnull=False).count() == 1


def test_step_never_goes_back_so_nothing_older_gets_in_afterwards() -> None:
    for _ in range(ROUNDS):
        user, factor = owner_with_factor()
        race(*[partial(bring, user, factor.code(steps=steps)) for steps in (-1, 0, 1)])
        # Whoever was last, the newest of them was taken.
        assert SecondFactor.objects.get(user=user).last_step == NOW + 1
        assert outcomes([_again(user, factor, steps) for steps in (-1, 0, 1)]) == [WrongCode.__name__] * 3


def _again(user: User, factor: Factor, steps: int) -> Any:
    try:
        return bring(user, factor.code(steps=steps))
    except WrongCode as wrong:
        return wrong
