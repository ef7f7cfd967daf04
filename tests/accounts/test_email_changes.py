"""Another e-mail address: the password, a code to the new one, a word to the old one, and nobody's identity."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts import one_time_codes, passwords
from accounts.models import AuditEvent, OneTimeCode, User
from accounts.one_time_codes import Purpose
from accounts.passwords import resets
from tests.accounts.clients import SecureClient
from tests.accounts.letters import PUBLIC_URL, code_of, link_of, post_office
from tests.makers import PASSWORD, make_user
from tests.wire.smtp_server import SmtpServer

pytestmark = [pytest.mark.django_db, pytest.mark.security]

OLD, NEW = "ada@old.example.net", "ada@new.example.net"


@pytest.fixture
def post(settings: Settings) -> Iterator[SmtpServer]:
    with post_office(settings) as server:
        yield server


@pytest.fixture
def ada(db: Any) -> User:
    return make_user("ada", email=OLD)


@pytest.fixture
def page(ada: User) -> SecureClient:
    client = SecureClient()
    client.force_login(ada)
    return client


def ask(page: SecureClient, email: str = NEW, password: str = PASSWORD) -> Any:
    return page.post("/account/email", {"email": email, "password": password})


def address_of(user: User) -> str:
    return User.objects.get(pk=user.pk).email


def test_it_counts_once_the_new_address_has_answered(page: SecureClient, ada: User, post: SmtpServer) -> None:
    assert ask(page)["Location"] == "/account/email/confirm"
    assert address_of(ada) == OLD
    (letter,) = post.letters
    assert letter.recipients == (NEW,)
    assert link_of(letter).startswith(f"{PUBLIC_URL}/account/email/confirm#")
    assert page.post("/account/email/confirm", {"code": code_of(letter)})["Location"] == "/account"
    assert address_of(ada) == NEW


def test_the_old_address_is_told(page: SecureClient, post: SmtpServer, django_capture_on_commit_callbacks: Any) -> None:
    ask(page)
    code = code_of(post.letters[0])
    with django_capture_on_commit_callbacks(execute=True):
        page.post("/account/email/confirm", {"code": code})
    told = post.letters[1]
    assert told.recipients == (OLD,)
    assert NEW in told.text
    assert code not in told.text


@pytest.mark.parametrize("password", ["wrong", "", PASSWORD.upper()])
def test_it_needs_the_password(page: SecureClient, post: SmtpServer, password: str) -> None:
    answer = ask(page, password=password)
    assert answer.status_code == 400
    assert 'id="id_password_error"' in answer.content.decode()
    assert post.letters == []


def test_guessing_the_password_is_counted_like_signing_in(
    page: SecureClient, post: SmtpServer, settings: Settings
) -> None:
    settings.PERSONALQ_RATE_SIGN_IN_NAME = "2/m"
    assert [ask(page, password="wrong").status_code for _ in range(3)] == [400, 400, 429]


def test_nobody_is_flooded_with_letters(page: SecureClient, post: SmtpServer, settings: Settings) -> None:
    settings.PERSONALQ_RATE_EMAIL_CHANGE = "2/h"
    assert [ask(page, f"x{number}@y.example.net").status_code for number in range(3)] == [302, 302, 429]
    assert len(post.letters) == 2


@pytest.mark.parametrize("email", ["no address", "a@b.example\r\nBcc: c@d.example", OLD, f"{'x' * 250}@y.example"])
def test_a_bad_address_is_refused_at_the_field(page: SecureClient, post: SmtpServer, email: str) -> None:
    answer = ask(page, email)
    assert answer.status_code == 400
    assert 'id="id_email_error"' in answer.content.decode()
    assert post.letters == []


def test_a_code_is_good_once_and_for_an_hour(page: SecureClient, ada: User, post: SmtpServer) -> None:
    ask(page)
    row = OneTimeCode.objects.get()
    assert row.expires_at - row.created_at <= timedelta(hours=1, seconds=1)
    code = code_of(post.letters[0])
    OneTimeCode.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert page.post("/account/email/confirm", {"code": code}).status_code == 403
    OneTimeCode.objects.update(expires_at=timezone.now() + timedelta(seconds=60))
    assert page.post("/account/email/confirm", {"code": code}).status_code == 302
    assert page.post("/account/email/confirm", {"code": code}).status_code == 403


def test_a_strangers_code_changes_nobody(page: SecureClient, ada: User, bob: User, post: SmtpServer) -> None:
    ask(page)
    code = code_of(post.letters[0])
    stranger = SecureClient()
    stranger.force_login(bob)
    assert stranger.post("/account/email/confirm", {"code": code}).status_code == 403
    assert (address_of(ada), address_of(bob)) == (OLD, "")
    assert page.post("/account/email/confirm", {"code": code}).status_code == 302


def test_a_new_password_ends_the_change(page: SecureClient, ada: User, post: SmtpServer) -> None:
    ask(page)
    passwords.replace(actor=None, user=ada, new="quite another ordinary sentence", how="command")
    back = SecureClient()
    back.force_login(User.objects.get(pk=ada.pk))
    assert back.post("/account/email/confirm", {"code": code_of(post.letters[0])}).status_code == 403
    assert address_of(ada) == OLD


def test_links_on_their_way_to_the_old_address_end(page: SecureClient, ada: User, post: SmtpServer) -> None:
    reset = one_time_codes.make(Purpose.RESET, user=ada, lasting=resets.LIFETIME).text
    ask(page)
    page.post("/account/email/confirm", {"code": code_of(post.letters[0])})
    with pytest.raises(one_time_codes.CodeRefused):
        one_time_codes.find(Purpose.RESET, reset)


def test_a_letter_that_is_not_taken_is_said(page: SecureClient, ada: User, settings: Settings) -> None:
    with post_office(settings, refusal="550 no such box"):
        answer = ask(page)
    assert answer.status_code == 503
    assert "The e-mail could not be sent" in answer.content.decode()
    assert not OneTimeCode.objects.live().exists()


def test_without_e_mail_the_page_says_who_can_help(page: SecureClient, ada: User) -> None:
    assert "Ask the operator" in page.get("/account/email").content.decode()
    assert ask(page).status_code == 409


def test_an_address_that_another_account_has_is_nobodys_identity(
    page: SecureClient, ada: User, post: SmtpServer
) -> None:
    """B-HIGH-005b: what belongs to an account belongs to its key, whatever address it has."""
    other = make_user("other", email=NEW)
    ask(page)
    page.post("/account/email/confirm", {"code": code_of(post.letters[0])})
    assert address_of(ada) == address_of(other) == NEW
    assert page.get("/api/v1/me").json()["username"] == "ada"


def test_an_operators_change_is_told_and_noted_as_well(
    at_admin: SecureClient, ada: User, post: SmtpServer, django_capture_on_commit_callbacks: Any
) -> None:
    reset = one_time_codes.make(Purpose.RESET, user=ada, lasting=resets.LIFETIME).text
    form = {"username": "ada", "email": NEW, "is_active": "on", "date_joined_0": "2026-01-01", "date_joined_1": "00:00"}
    with django_capture_on_commit_callbacks(execute=True):
        answer = at_admin.post(f"/admin/accounts/user/{ada.pk}/change/", form)
    assert answer.status_code == 302, answer.content.decode()
    assert [each.recipients for each in post.letters] == [(OLD,)]
    event = AuditEvent.objects.get(kind="email.changed")
    assert (event.actor_name, event.owner_uuid, event.facts) == ("olga", ada.uuid, {"how": "operator"})
    with pytest.raises(one_time_codes.CodeRefused):
        one_time_codes.find(Purpose.RESET, reset)


def test_ones_own_change_is_noted_without_any_address(page: SecureClient, ada: User, post: SmtpServer) -> None:
    ask(page)
    page.post("/account/email/confirm", {"code": code_of(post.letters[0])})
    event = AuditEvent.objects.get(kind="email.changed")
    assert (event.actor_uuid, event.owner_uuid, event.facts) == (ada.uuid, ada.uuid, {"how": "owner"})
    assert "example.net" not in str(vars(event))


def test_the_account_page_leads_everywhere(page: SecureClient, ada: User) -> None:
    shown = page.get("/account").content.decode()
    for path in ("password", "second-factor", "sessions", "activity"):
        assert f'href="/account/{path}"' in shown
    for path in ("/tokens", "/notices"):
        assert f'href="{path}"' in shown
    assert OLD in shown
    assert "/operation/invitations" not in shown


class TestWithoutMails:
    def test_person_is_sent_to_the_operator_and_gets_no_form(self, page: SecureClient, ada: User) -> None:
        shown = page.get("/account/email").content.decode()
        assert "Send the code" not in shown
        assert "Ask the operator" in shown
        assert "Only an operator" in page.get("/account").content.decode()

    def test_operator_is_not_sent_to_the_operator(self, operator: User) -> None:
        client = SecureClient()
        client.force_login(operator)
        for address in ("/account", "/account/email"):
            shown = client.get(address).content.decode()
            assert f'href="/admin/accounts/user/{operator.pk}/change/"' in shown
            assert "the operator" not in shown.lower().replace("as an operator", "")
        assert "manage.py changepassword" in client.get("/account").content.decode()


@pytest.mark.parametrize("path", ["/account", "/account/sessions", "/account/second-factor", "/operation/invitations"])
def test_the_entry_account_is_marked_on_the_pages_of_the_account(operator: User, path: str) -> None:
    client = SecureClient()
    client.force_login(operator)
    shown = client.get(path).content.decode()
    assert f'aria-current="page">Account <span class="who-name">{operator.username}</span>' in shown
