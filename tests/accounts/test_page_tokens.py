"""The tokens of a browser's session live and die with it."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any, cast

import pytest
from django.contrib.auth import authenticate, login, logout, update_session_auth_hash
from django.contrib.auth.middleware import get_user
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.models import Session
from django.http import HttpRequest
from django.test import RequestFactory
from django.utils import timezone

from accounts import tokens
from accounts.models import TokenFamily, User
from accounts.session_store import SessionStore, row_key_of
from personalq.lib.errors import InvalidToken, NotAuthenticated
from tests.accounts.forging import claims_of
from tests.concurrency.racing import race
from tests.makers import PASSWORD, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.security]


def request_of(session_key: str | None) -> HttpRequest:
    """A request as the middleware would prepare it."""
    request = RequestFactory().get("/")
    request.session = SessionStore(session_key)
    request.user = get_user(request)
    return request


@pytest.fixture
def browser(alice: User) -> HttpRequest:
    request = request_of(None)
    login(request, authenticate(request, username="alice", password=PASSWORD))
    request.session.save()
    return request


def again(request: HttpRequest) -> HttpRequest:
    """The next request of the same browser."""
    return request_of(request.session.session_key)


def is_good(access: str) -> bool:
    try:
        tokens.socket_identity_of(access)
    except InvalidToken:
        return False
    return True


def test_page_token_stands_for_the_signed_in_person(browser: HttpRequest, alice: User) -> None:
    identity = tokens.socket_identity_of(tokens.page_token(browser))
    assert identity.user == alice
    assert TokenFamily.objects.get(uuid=identity.standing[1]).kind == TokenFamily.Kind.PAGE
    assert identity.expires_at - timezone.now() <= timedelta(minutes=10)


def test_all_pages_of_a_session_share_a_family(browser: HttpRequest) -> None:
    first, second = tokens.page_token(browser), tokens.page_token(again(browser))
    assert claims_of(first)["fam"] == claims_of(second)["fam"]


def test_two_sessions_do_not(browser: HttpRequest, alice: User) -> None:
    other = request_of(None)
    login(other, alice, backend="django.contrib.auth.backends.ModelBackend")
    first, second = tokens.page_token(browser), tokens.page_token(other)
    logout(other)
    assert is_good(first)
    assert not is_good(second)


def test_a_stranger_gets_none() -> None:
    request = request_of(None)
    assert isinstance(request.user, AnonymousUser)
    with pytest.raises(NotAuthenticated):
        tokens.page_token(request)


def change_password(request: HttpRequest) -> None:
    user = cast("User", request.user)
    user.set_password("another ordinary passphrase")
    user.save()
    update_session_auth_hash(request, user)


def sign_in_as_somebody_else(request: HttpRequest) -> None:
    login(request, make_user("bob"), backend="django.contrib.auth.backends.ModelBackend")


def sign_out_everywhere(request: HttpRequest) -> None:
    tokens.sign_out_everywhere(cast("User", request.user), "operator")


def revoke_family(request: HttpRequest) -> None:
    tokens.revoke(TokenFamily.objects.get(session=row_key_of(request.session)), "operator")


ENDINGS: dict[str, Callable[[HttpRequest], Any]] = {
    "sign_out": logout,
    "session_flushed": lambda request: request.session.flush(),
    "session_key_changed": lambda request: request.session.cycle_key(),
    "session_deleted_by_an_operator": lambda _: Session.objects.all().delete(),
    "password_changed": change_password,
    "somebody_else_signs_in": sign_in_as_somebody_else,
    "signed_out_everywhere": sign_out_everywhere,
    "family_revoked": revoke_family,
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_ends_the_session_ends_its_tokens(browser: HttpRequest, ending: str) -> None:
    token = tokens.page_token(browser)
    standing = tokens.socket_identity_of(token).standing
    assert tokens.still_valid([standing]) == {standing}
    ENDINGS[ending](browser)
    assert not is_good(token)
    assert tokens.still_valid([standing]) == set()


def test_revoking_the_family_of_a_page_signs_the_browser_out(browser: HttpRequest) -> None:
    tokens.page_token(browser)
    revoke_family(browser)
    assert isinstance(again(browser).user, AnonymousUser)


def test_a_new_key_of_the_session_gets_new_tokens(browser: HttpRequest) -> None:
    old = tokens.page_token(browser)
    change_password(browser)
    browser.session.save()
    assert is_good(tokens.page_token(again(browser)))
    assert not is_good(old)


def test_a_sign_in_that_is_not_stored_yet_gets_its_token(alice: User) -> None:
    request = request_of(None)
    login(request, alice, backend="django.contrib.auth.backends.ModelBackend")
    sign_in_as_somebody_else(request)
    assert request.session.session_key is None
    assert tokens.socket_identity_of(tokens.page_token(request)).user.username == "bob"


def test_session_in_long_use_goes_on(browser: HttpRequest) -> None:
    tokens.page_token(browser)
    TokenFamily.objects.update(expires_at=timezone.now() + timedelta(minutes=1))
    end = tokens.socket_identity_of(tokens.page_token(again(browser))).expires_at
    assert end > timezone.now() + timedelta(minutes=5)


def test_page_token_buys_no_further_tokens(browser: HttpRequest) -> None:
    with pytest.raises(InvalidToken):
        tokens.rotate(tokens.page_token(browser))


@pytest.mark.django_db(transaction=True)
def test_a_session_that_ended_just_now_gets_no_token(browser: HttpRequest) -> None:
    late = again(browser)
    assert late.user.is_authenticated
    Session.objects.all().delete()
    with pytest.raises(NotAuthenticated):
        tokens.page_token(late)
    assert not TokenFamily.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_tabs_that_open_together_share_a_family(browser: HttpRequest) -> None:
    for _ in range(20):
        TokenFamily.objects.all().delete()
        opened = race(*[partial(tokens.page_token, again(browser)) for _ in range(4)])
        assert len({claims_of(token)["fam"] for token in opened}) == 1
