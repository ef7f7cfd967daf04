"""Personal tokens that are made, used and ended at the same moment."""

import time
from functools import partial

import pytest
from django.db import transaction
from pytest_django import Settings

from accounts import tokens
from accounts.models import PersonalToken, User
from accounts.tokens import personal_tokens
from personalq.lib.errors import InvalidToken
from tests.concurrency.racing import ROUNDS, failures, race
from tests.makers import make_operator, make_token, make_user

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.security]


@pytest.fixture
def alice() -> User:
    return make_user("alice")


def test_the_quota_holds_for_many_at_once(alice: User, settings: Settings) -> None:
    settings.PERSONALQ_TOKENS_PER_USER = 5
    results = race(*(partial(make_token, alice) for _ in range(12)))
    assert [type(error).__name__ for error in failures(results)] == ["QuotaReached"] * 7
    assert PersonalToken.objects.live().count() == 5


def test_the_last_place_is_taken_once(alice: User, settings: Settings) -> None:
    settings.PERSONALQ_TOKENS_PER_USER = 1
    for _ in range(ROUNDS):
        results = race(partial(make_token, alice), partial(make_token, alice))
        assert [type(error).__name__ for error in failures(results)] == ["QuotaReached"]
        PersonalToken.objects.all().delete()


def test_one_of_two_gets_the_name(alice: User) -> None:
    for number in range(ROUNDS):
        results = race(*(partial(make_token, alice, name=f"name-{number}") for _ in range(2)))
        assert [type(error).__name__ for error in failures(results)] == ["NameTaken"]
        PersonalToken.objects.all().delete()


def test_no_token_survives_signing_out_everywhere(alice: User) -> None:
    for _ in range(ROUNDS):
        # Each contender has what its request read: the user as it was before.
        stale = User.objects.get(pk=alice.pk)
        results = race(partial(make_token, stale), partial(tokens.sign_out_everywhere, alice, "operator"))
        assert {type(error).__name__ for error in failures(results)} <= {"NotAuthenticated"}
        assert not PersonalToken.objects.live().exists()


def test_revoking_is_final_while_the_token_is_in_use(alice: User) -> None:
    for _ in range(ROUNDS):
        new = make_token(alice)
        use = partial(tokens.identity_of, new.text)
        results = race(use, use, partial(personal_tokens.revoke, actor=alice, token=new.token), use)
        assert {type(error) for error in failures(results)} <= {InvalidToken}
        with pytest.raises(InvalidToken):
            tokens.identity_of(new.text)
        assert PersonalToken.objects.get(pk=new.token.pk).revoked_reason == "owner"
        PersonalToken.objects.all().delete()


def test_two_who_revoke_agree_on_one_reason(alice: User) -> None:
    operator = make_operator()
    for _ in range(ROUNDS):
        token = make_token(alice).token
        found = race(
            *(partial(personal_tokens.revoke, actor=actor, token=copy_of(token)) for actor in (alice, operator))
        )
        assert failures(found) == []
        assert len({(each.revoked_at, each.revoked_reason) for each in found}) == 1
        PersonalToken.objects.all().delete()


def copy_of(token: PersonalToken) -> PersonalToken:
    return PersonalToken.objects.select_related("user").get(pk=token.pk)


def test_use_waits_for_nobody_who_holds_the_row(alice: User) -> None:
    new = make_token(alice)
    with transaction.atomic():
        PersonalToken.objects.select_for_update().get(pk=new.token.pk)
        started = time.monotonic()
        (found,) = race(partial(tokens.identity_of, new.text))
    assert found.user == alice
    # A lock would be waited for as long as PERSONALQ_LOCK_TIMEOUT_SECONDS.
    assert time.monotonic() - started < 5
    assert PersonalToken.objects.get(pk=new.token.pk).last_used_at is None


def test_many_uses_at_once_all_succeed(alice: User) -> None:
    text = make_token(alice).text
    assert failures(race(*(partial(tokens.identity_of, text) for _ in range(8)))) == []
    assert PersonalToken.objects.get().last_used_at is not None
