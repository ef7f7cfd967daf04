"""The key of tokens is replaced without signing anybody out: what the one before it signed is read for a while."""

import pytest
from pytest_django import Settings

from accounts import known_keys, tokens
from accounts.models import User
from personalq.embedded.env_file import GENERATED_SECRETS, make_secret
from personalq.lib.errors import InvalidToken
from tests.accounts.forging import claims_of, forge
from tests.accounts.test_tokens import FORGERIES, is_good
from tests.contracts import reading

pytestmark = [pytest.mark.django_db, pytest.mark.security]

OLD_KEY = make_secret()


def signed_before(token: str) -> str:
    """The same token as the old key would have signed it."""
    return forge(claims_of(token), key=OLD_KEY)


def test_access_token_of_the_old_key_is_good_while_that_is_set(alice: User, settings: Settings) -> None:
    token = signed_before(tokens.issue_pair(alice).access)
    assert not is_good(token)
    settings.JWT_OLD_SIGNING_KEY = OLD_KEY
    assert is_good(token)
    settings.JWT_OLD_SIGNING_KEY = make_secret()
    assert not is_good(token)


def test_refresh_token_of_the_old_key_buys_a_pair_of_the_new_one(alice: User, settings: Settings) -> None:
    refresh = signed_before(tokens.issue_pair(alice).refresh)
    settings.JWT_OLD_SIGNING_KEY = OLD_KEY
    pair = tokens.rotate(refresh)
    settings.JWT_OLD_SIGNING_KEY = ""
    assert is_good(pair.access)
    assert is_good(tokens.rotate(pair.refresh).access)


@pytest.mark.parametrize("forgery", FORGERIES)
def test_forged_token_is_no_better_under_the_old_key(alice: User, settings: Settings, forgery: str) -> None:
    access = tokens.issue_pair(alice).access
    # Forgeries are signed with what stands there.
    settings.JWT_SIGNING_KEY = settings.JWT_OLD_SIGNING_KEY = OLD_KEY
    assert not is_good(FORGERIES[forgery](access))
    assert is_good(access)


def test_one_kind_is_not_taken_for_the_other_under_the_old_key(alice: User, settings: Settings) -> None:
    settings.JWT_OLD_SIGNING_KEY = OLD_KEY
    pair = tokens.issue_pair(alice)
    assert not is_good(signed_before(pair.refresh))
    with pytest.raises(InvalidToken):
        tokens.rotate(signed_before(pair.access))


def test_the_inspections_see_it_and_its_age(settings: Settings) -> None:
    settings.JWT_SIGNING_KEY = OLD_KEY
    known_keys.note()
    since = known_keys.first_seen()["JWT_SIGNING_KEY"]
    settings.JWT_SIGNING_KEY, settings.JWT_OLD_SIGNING_KEY = make_secret(), OLD_KEY
    known_keys.note()
    assert known_keys.first_seen()["JWT_OLD_SIGNING_KEY"] == since


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("short", "JWT_OLD_SIGNING_KEY is shorter than"),
        ("the new one", "JWT_SIGNING_KEY and JWT_OLD_SIGNING_KEY are equal"),
        ("", "accepted"),
        (OLD_KEY, "accepted"),
    ],
    ids=["short", "the new one", "none", "another"],
)
def test_it_is_as_strong_as_the_new_one_and_another(value: str, said: str) -> None:
    keys = {name: make_secret() for name in GENERATED_SECRETS}
    value = keys["JWT_SIGNING_KEY"] if value == "the new one" else value
    done = reading.run_python("import personalq.settings", **keys, JWT_OLD_SIGNING_KEY=value)
    assert said in (done.stderr.strip().splitlines()[-1] if done.returncode else "accepted")
