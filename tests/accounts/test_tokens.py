"""What makes a token good, and what ends it."""

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts import tokens
from accounts.identity import stamp_of
from accounts.models import TokenFamily, User
from personalq.lib.errors import InvalidToken
from tests.accounts.forging import altered, claims_of, forge
from tests.makers import PASSWORD, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.security]

Forgery = Callable[[str], str]


def deep_header(token: str) -> str:
    # It is parsed before anybody looks at the signature, and deeper than a parser can recurse.
    header = urlsafe_b64encode(b"[" * 1_400).rstrip(b"=").decode()
    return f"{header}.{token.split('.')[1][:50]}.AA"


FORGERIES: dict[str, Forgery] = {
    "empty": lambda _: "",
    "no_token": lambda _: "a.b.c",
    "not_ascii": lambda _: "é.é.é",
    "half_a_surrogate_pair": lambda _: "\ud800.b.c",
    "far_too_long": lambda token: token + "A" * 1_000_000,
    "longer_than_any_of_ours": lambda token: altered(token, padding="x" * 2_000),
    "deeply_nested_header": deep_header,
    "alg_none": lambda token: forge(claims_of(token), algorithm="none"),
    "alg_None": lambda token: forge(claims_of(token), algorithm="None"),
    "alg_NONE": lambda token: forge(claims_of(token), algorithm="NONE"),
    "alg_HS384": lambda token: forge(claims_of(token), algorithm="HS384"),
    "alg_HS512": lambda token: forge(claims_of(token), algorithm="HS512"),
    "wrong_key": lambda token: forge(claims_of(token), key="another key of good length, but not ours"),
    "session_key_of_django": lambda token: forge(claims_of(token), key=settings.SECRET_KEY),
    "key_in_the_header": lambda token: forge(claims_of(token), key="k" * 40, jwk={"kty": "oct", "k": "a" * 40}),
    "claims_are_a_list": lambda _: forge([1]),
    "expired": lambda token: altered(token, exp=1_000_000_000),
    "without_exp": lambda token: altered(token, without="exp"),
    "exp_beyond_the_calendar": lambda token: altered(token, exp=10**13),
    "exp_beyond_the_clock": lambda token: altered(token, exp=10**18),
    "exp_beyond_all_bounds": lambda token: altered(token, exp=10**20),
    "exp_is_infinite": lambda token: altered(token, exp=float("inf")),
    "exp_is_text": lambda token: altered(token, exp="9999999999"),
    "exp_is_a_dict": lambda token: altered(token, exp={}),
    "issued_in_the_future": lambda token: altered(token, iat=9_999_999_999),
    "wrong_issuer": lambda token: altered(token, iss="somebody"),
    "without_issuer": lambda token: altered(token, without="iss"),
    "wrong_audience": lambda token: altered(token, aud="somebody"),
    "without_audience": lambda token: altered(token, without="aud"),
    "refresh_as_access": lambda token: altered(token, token_type="refresh"),
    "without_type": lambda token: altered(token, without="token_type"),
    "without_jti": lambda token: altered(token, without="jti"),
    "jti_is_a_number": lambda token: altered(token, jti=7),
    "sub_is_no_uuid": lambda token: altered(token, sub="abc"),
    "sub_is_a_dict": lambda token: altered(token, sub={"uuid": 1}),
    "sub_is_a_number": lambda token: altered(token, sub=1),
    "sub_with_nul": lambda token: altered(token, sub="\0"),
    "sub_of_nobody": lambda token: altered(token, sub=str(uuid4())),
    "without_sub": lambda token: altered(token, without="sub"),
    "family_is_a_dict": lambda token: altered(token, fam={}),
    "family_of_nobody": lambda token: altered(token, fam=str(uuid4())),
    "without_family": lambda token: altered(token, without="fam"),
    "wrong_stamp": lambda token: altered(token, stamp="0" * 32),
    "empty_stamp": lambda token: altered(token, stamp=""),
    "stamp_is_null": lambda token: altered(token, stamp=None),
    "stamp_is_half_a_surrogate_pair": lambda token: altered(token, stamp="\ud800"),
    "without_stamp": lambda token: altered(token, without="stamp"),
}


def is_good(access: str) -> bool:
    try:
        tokens.identity_of(access)
    except InvalidToken:
        return False
    return True


def family_of(pair: tokens.TokenPair) -> TokenFamily:
    return TokenFamily.objects.get(uuid=claims_of(pair.access)["fam"])


def test_access_token_tells_user_family_and_end(alice: User) -> None:
    pair = tokens.issue_pair(alice)
    identity = tokens.identity_of(pair.access)
    assert (identity.user, identity.standing[1], identity.scopes) == (alice, family_of(pair).uuid, None)
    assert identity.expires_at == pair.expires_at
    assert timedelta() < pair.expires_at - timezone.now() <= timedelta(minutes=10)


def test_identity_costs_one_query(alice: User, django_assert_num_queries: Any) -> None:
    access = tokens.issue_pair(alice).access
    with django_assert_num_queries(1):
        assert tokens.identity_of(access).user.username == "alice"


def test_tokens_carry_these_claims_and_no_others(alice: User) -> None:
    claims = claims_of(tokens.issue_pair(alice).access)
    assert set(claims) == {"token_type", "exp", "iat", "jti", "iss", "aud", "sub", "fam", "stamp"}
    assert claims["sub"] == str(alice.uuid)
    assert claims["stamp"] == alice.get_session_auth_hash()[:32]
    plain_digest = hashlib.md5(alice.password.encode(), usedforsecurity=False).hexdigest()
    assert plain_digest.lower() not in json.dumps(claims).lower()


def test_a_pair_does_not_show_its_tokens_in_logs(alice: User) -> None:
    pair = tokens.issue_pair(alice)
    assert pair.access not in repr(pair)
    assert pair.refresh not in repr(pair)


@pytest.mark.parametrize("forgery", FORGERIES)
def test_forged_access_token_is_refused(alice: User, forgery: str) -> None:
    access = tokens.issue_pair(alice).access
    assert is_good(access)
    assert not is_good(FORGERIES[forgery](access))


@pytest.mark.parametrize("forgery", [name for name in FORGERIES if name != "refresh_as_access"])
def test_forged_refresh_token_is_refused_and_ends_nothing(alice: User, forgery: str) -> None:
    pair = tokens.issue_pair(alice)
    with pytest.raises(InvalidToken):
        tokens.rotate(FORGERIES[forgery](pair.refresh))
    assert is_good(tokens.rotate(pair.refresh).access)


def test_one_kind_of_token_is_not_taken_for_the_other(alice: User) -> None:
    pair = tokens.issue_pair(alice)
    assert not is_good(pair.refresh)
    with pytest.raises(InvalidToken):
        tokens.rotate(pair.access)
    assert is_good(pair.access)


def test_tokens_of_another_user_do_not_fit_the_family(alice: User) -> None:
    bob = make_user("bob")
    access = tokens.issue_pair(alice).access
    assert not is_good(altered(access, sub=str(bob.uuid), stamp=stamp_of(bob)))


def set_password(user: User, password: str | None) -> None:
    user.set_password(password)
    user.save()


ENDINGS: dict[str, Callable[[User], Any]] = {
    "password_changed": lambda user: set_password(user, "another ordinary passphrase"),
    "same_password_set_again": lambda user: set_password(user, PASSWORD),
    "password_made_unusable": lambda user: set_password(user, None),
    "deactivated": lambda user: User.objects.filter(pk=user.pk).update(is_active=False),
    "deleted": lambda user: user.delete(),
    "signed_out_everywhere": lambda user: tokens.sign_out_everywhere(user, "operator"),
    "epoch_raised_by_sql": lambda user: User.objects.filter(pk=user.pk).update(session_epoch=1),
    "family_revoked": lambda user: tokens.revoke(user.token_families.get(), "operator"),
    "family_past_its_end": lambda user: user.token_families.update(expires_at=timezone.now()),
    "family_deleted": lambda user: user.token_families.all().delete(),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_ends_a_sign_in_ends_access_and_refresh(alice: User, ending: str) -> None:
    pair = tokens.issue_pair(alice)
    standing = tokens.identity_of(pair.access).standing
    assert tokens.still_valid([standing]) == {standing}
    ENDINGS[ending](alice)
    assert not is_good(pair.access)
    assert tokens.still_valid([standing]) == set()
    with pytest.raises(InvalidToken):
        tokens.rotate(pair.refresh)


def test_the_stamp_follows_password_epoch_and_active_flag(alice: User) -> None:
    stamps = {stamp_of(alice)}
    alice.is_active = False
    stamps.add(stamp_of(alice))
    alice.session_epoch += 1
    stamps.add(stamp_of(alice))
    alice.password = "another hash"
    stamps.add(stamp_of(alice))
    assert len(stamps) == 4
    assert {len(stamp) for stamp in stamps} == {32}


def test_a_token_of_the_future_does_not_help_a_deactivated_user(alice: User) -> None:
    """The stamp alone is not what keeps an inactive user out."""
    alice.is_active = False
    alice.save()
    assert not is_good(tokens.issue_pair(alice).access)


def test_refreshing_gives_a_new_pair_of_the_same_family(alice: User) -> None:
    first = tokens.issue_pair(alice)
    second = tokens.rotate(first.refresh)
    assert family_of(first) == family_of(second)
    assert is_good(second.access)
    assert is_good(tokens.rotate(second.refresh).access)


def test_refresh_token_is_known_by_its_digest_only(alice: User) -> None:
    pair = tokens.issue_pair(alice)
    digest = hashlib.sha256(claims_of(pair.refresh)["jti"].encode()).hexdigest()
    assert family_of(pair).refresh_digest == digest


def test_reuse_ends_the_whole_family(alice: User) -> None:
    stolen = tokens.issue_pair(alice)
    current = tokens.rotate(stolen.refresh)
    with pytest.raises(InvalidToken):
        tokens.rotate(stolen.refresh)
    assert not is_good(current.access)
    with pytest.raises(InvalidToken):
        tokens.rotate(current.refresh)
    assert family_of(stolen).revoked_reason == "reuse"


def test_reuse_leaves_other_sign_ins_alone(alice: User) -> None:
    stolen, other = tokens.issue_pair(alice), tokens.issue_pair(alice)
    tokens.rotate(stolen.refresh)
    with pytest.raises(InvalidToken):
        tokens.rotate(stolen.refresh)
    assert is_good(other.access)
    assert is_good(tokens.rotate(other.refresh).access)


@pytest.mark.django_db(transaction=True)
def test_revocation_for_reuse_is_committed_although_the_call_fails(alice: User) -> None:
    pair = tokens.issue_pair(alice)
    tokens.rotate(pair.refresh)
    with pytest.raises(InvalidToken):
        tokens.rotate(pair.refresh)
    assert family_of(pair).revoked_at is not None


def test_nobody_can_wrap_a_refresh_in_a_transaction_that_would_undo_the_revocation(alice: User) -> None:
    pair = tokens.issue_pair(alice)
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        tokens.rotate(pair.refresh)


def test_refresh_token_lasts_14_days_and_access_token_ten_minutes(alice: User) -> None:
    pair = tokens.issue_pair(alice)
    last = {}
    for name, text in (("access", pair.access), ("refresh", pair.refresh)):
        claims = claims_of(text)
        last[name] = timedelta(seconds=claims["exp"] - claims["iat"])
    assert last == {"access": timedelta(minutes=10), "refresh": timedelta(days=14)}


def test_no_token_outlives_its_family(alice: User) -> None:
    pair = tokens.issue_pair(alice)
    end = timezone.now() + timedelta(seconds=90)
    alice.token_families.update(expires_at=end)
    renewed = tokens.rotate(pair.refresh)
    assert renewed.expires_at <= end
    assert claims_of(renewed.refresh)["exp"] <= end.timestamp()


def test_refreshing_does_not_prolong_a_sign_in_for_ever(alice: User) -> None:
    pair = tokens.issue_pair(alice)
    end = family_of(pair).expires_at
    tokens.rotate(pair.refresh)
    assert family_of(pair).expires_at == end
    assert abs(end - timezone.now() - settings.PERSONALQ_SIGN_IN_LIFETIME) < timedelta(minutes=1)


def test_first_reason_of_a_revocation_stays(alice: User) -> None:
    family = family_of(tokens.issue_pair(alice))
    tokens.revoke(family, "sign-out")
    tokens.revoke(family, "operator")
    family.refresh_from_db()
    assert family.revoked_reason == "sign-out"


def test_signing_out_with_a_used_refresh_token_ends_the_family_too(alice: User) -> None:
    first = tokens.issue_pair(alice)
    second = tokens.rotate(first.refresh)
    tokens.sign_out(first.refresh)
    assert not is_good(second.access)


def test_many_sockets_are_judged_in_one_query(alice: User, django_assert_num_queries: Any) -> None:
    standings = [tokens.identity_of(tokens.issue_pair(alice).access).standing for _ in range(5)]
    user, family, stamp = standings[0]
    false = {(user + 1, family, stamp), (user, uuid4(), stamp), (user, family, "0" * 32)}
    tokens.revoke(TokenFamily.objects.get(uuid=standings[4][1]), "operator")
    with django_assert_num_queries(1):
        assert tokens.still_valid([*standings, *false]) == set(standings[:4])


def test_no_sockets_cost_no_query(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert tokens.still_valid([]) == set()
