"""The sign-in page and the way out, as a browser meets them."""

import re
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.hashers import MD5PasswordHasher
from pytest_django import Settings
from redis.exceptions import ConnectionError as RedisConnectionError

from accounts.models import User
from accounts.pages.access import waiting_time
from accounts.session_store import SessionStore
from personalq.lib.errors import InvalidCredentials, RateLimited, Unavailable
from tests.accounts.clients import SecureClient, sign_in
from tests.makers import PASSWORD, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.security]

FOREIGN = [
    "//evil.example",
    "///evil.example",
    "////evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "\t//evil.example",
    "https://evil.example",
    "https:evil.example",
    "https:/evil.example",
    "http:///evil.example",
    "HTTPS://EVIL.EXAMPLE",
    "https://testserver@evil.example",
    "https://testserver.evil.example",
    "https://evil.example/https://testserver/",
    "http://testserver/tasks",
    "javascript:alert(1)",
    "data:text/html,x",
    "ftp://testserver/",
    "\x08//evil.example",
    "\x00//evil.example",
]
OWN = ["/tasks", "/tasks?status=ready#last", "/admin/", "https://testserver/tasks", "tasks"]


def session_key(client: SecureClient) -> str:
    return client.cookies[django_settings.SESSION_COOKIE_NAME].value


def is_signed_in(client: SecureClient) -> bool:
    return bool(client.get("/api/v1/me").status_code == 200)


class TestSignIn:
    def test_good_password_leads_to_the_overview(self, client: SecureClient, alice: User) -> None:
        answer = sign_in(client, "alice", PASSWORD)
        assert (answer.status_code, answer["Location"]) == (302, "/")
        assert is_signed_in(client)

    def test_password_is_taken_exactly_as_typed(self, client: SecureClient, db: Any) -> None:
        make_user("bob").set_password("x")
        spaced = make_user("spaced")
        spaced.set_password("  spaces at both ends  ")
        spaced.save()
        assert sign_in(client, "spaced", "spaces at both ends").status_code == 200
        assert sign_in(client, "spaced", "  spaces at both ends  ").status_code == 302

    @pytest.mark.parametrize("who", ["alice", "nobody", "sleeper"])
    def test_a_refusal_names_no_reason_and_takes_the_same_work(
        self, client: SecureClient, alice: User, who: str
    ) -> None:
        make_user("sleeper", is_active=False)
        with patch.object(MD5PasswordHasher, "encode", autospec=True, side_effect=MD5PasswordHasher.encode) as work:
            answer = sign_in(client, who, PASSWORD if who == "sleeper" else "wrong")
        assert work.call_count == 1
        alerts = re.findall(r'role="alert"><p>([^<]+)<', answer.content.decode())
        assert alerts == [f"{InvalidCredentials.title} {InvalidCredentials.advice}"]
        assert not is_signed_in(client)

    @pytest.mark.parametrize(
        ("username", "password"),
        [("", PASSWORD), ("alice", ""), ("a" * 151, "x"), ("alice", "p" * 1025), ("a\0", "x")],
    )
    def test_wrong_shape_is_said_at_the_field_and_compared_with_nothing(
        self, client: SecureClient, alice: User, username: str, password: str
    ) -> None:
        with patch("accounts.sign_in.by_password.authenticate") as compared:
            answer = sign_in(client, username, password)
        assert compared.call_count == 0
        assert answer.status_code == 200
        assert 'aria-invalid="true"' in answer.content.decode()
        assert 'role="alert"' in answer.content.decode()

    def test_session_key_changes(self, client: SecureClient, alice: User) -> None:
        client.session.save()
        session = client.session
        session["basket"] = 1
        session.save()
        client.cookies[django_settings.SESSION_COOKIE_NAME] = str(session.session_key)
        sign_in(client, "alice", PASSWORD)
        assert session_key(client) != session.session_key
        assert not SessionStore().exists(str(session.session_key))

    def test_another_site_cannot_sign_a_browser_in(self, alice: User) -> None:
        strict = SecureClient(enforce_csrf_checks=True)
        assert sign_in(strict, "alice", PASSWORD).status_code == 403
        page = strict.get("/sign-in").content.decode()
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert found is not None
        form = {"username": "alice", "password": PASSWORD, "csrfmiddlewaretoken": found[1]}
        own = {"Referer": "https://testserver/sign-in"}
        assert strict.post("/sign-in", form, headers=own).status_code == 302

    def test_the_form_is_labelled_and_known_to_password_managers(self, client: SecureClient, db: Any) -> None:
        page = client.get("/sign-in").content.decode()
        assert '<label for="id_username">' in page
        assert '<label for="id_password">' in page
        assert 'autocomplete="username"' in page
        assert 'autocomplete="current-password"' in page
        assert client.get("/sign-in")["Cache-Control"].count("no-store")

    def test_after_a_wrong_password_the_password_has_the_focus(self, client: SecureClient, alice: User) -> None:
        fields = {
            answer.status_code: re.findall(r'<input[^>]*name="(\w+)"[^>]* autofocus', answer.content.decode())
            for answer in (client.get("/sign-in"), sign_in(client, "alice", "wrong" * 300))
        }
        assert fields == {200: ["password"]}
        assert 'name="username" autofocus' in client.get("/sign-in").content.decode()
        assert ">User name<" in client.get("/sign-in").content.decode()

    def test_password_never_comes_back(self, client: SecureClient, alice: User) -> None:
        assert "Canary-4711" not in sign_in(client, "alice", "Canary-4711").content.decode()


class TestNext:
    @pytest.mark.parametrize("target", FOREIGN)
    def test_nobody_is_sent_elsewhere(self, client: SecureClient, alice: User, target: str) -> None:
        answer = sign_in(client, "alice", PASSWORD, QUERY_STRING=f"next={quote(target, safe='')}")
        assert (answer.status_code, answer["Location"]) == (302, "/")

    @pytest.mark.parametrize("target", FOREIGN)
    def test_a_hidden_field_is_not_trusted_more(self, client: SecureClient, alice: User, target: str) -> None:
        answer = client.post("/sign-in", {"username": "alice", "password": PASSWORD, "next": target})
        assert (answer.status_code, answer["Location"]) == (302, "/")

    @pytest.mark.parametrize("target", FOREIGN)
    def test_nor_is_who_is_signed_in_already(self, signed_in: SecureClient, target: str) -> None:
        answer = signed_in.get("/sign-in", {"next": target})
        assert (answer.status_code, answer["Location"]) == (302, "/")

    @pytest.mark.parametrize("target", OWN)
    def test_pages_of_this_site_are_reached(self, client: SecureClient, alice: User, target: str) -> None:
        answer = sign_in(client, "alice", PASSWORD, QUERY_STRING=f"next={quote(target, safe='')}")
        assert (answer.status_code, answer["Location"]) == (302, target)

    def test_next_survives_a_wrong_password(self, client: SecureClient, alice: User) -> None:
        page = sign_in(client, "alice", "wrong", QUERY_STRING="next=/tasks").content.decode()
        assert '<input type="hidden" name="next" value="/tasks">' in page

    @pytest.mark.parametrize("target", ["/sign-in", "/sign-in?next=/sign-in", "https://testserver/sign-in"])
    def test_the_sign_in_page_does_not_lead_to_itself(self, signed_in: SecureClient, target: str) -> None:
        answer = signed_in.get("/sign-in", {"next": target})
        assert (answer.status_code, answer["Location"]) == (302, "/")

    def test_a_page_sends_strangers_to_sign_in_and_back(self, client: SecureClient, alice: User) -> None:
        asked = client.get("/tasks?status=ready")
        assert asked.status_code == 302
        back = client.post(asked["Location"], {"username": "alice", "password": PASSWORD})
        assert back["Location"] == "/tasks?status=ready"


class TestLimits:
    @pytest.fixture(autouse=True)
    def few_attempts(self, settings: Settings) -> None:
        settings.PERSONALQ_RATE_SIGN_IN_NAME = "3/m"

    def test_the_page_says_when_to_try_again(self, client: SecureClient, alice: User) -> None:
        for _ in range(3):
            assert sign_in(client, "alice", "wrong").status_code == 200
        refused = sign_in(client, "alice", PASSWORD)
        assert refused.status_code == 429
        seconds = int(refused["Retry-After"])
        assert 1 <= seconds <= 60
        page = refused.content.decode()
        assert RateLimited.title in page
        assert f"Try again in {waiting_time(seconds)}." in page
        assert 'value="alice"' in page
        assert not is_signed_in(client)

    def test_a_refusal_is_not_counted_twice(self, client: SecureClient, alice: User, settings: Settings) -> None:
        settings.PERSONALQ_RATE_SIGN_IN_ADDRESS = "5/m"
        assert [sign_in(client, "alice", "wrong").status_code for _ in range(4)] == [200, 200, 200, 429]
        assert sign_in(client, "bob", "wrong").status_code == 200

    def test_page_and_api_count_together(self, client: SecureClient, alice: User) -> None:
        for _ in range(3):
            sign_in(client, "alice", "wrong")
        answer = client.send("/api/v1/auth/token", {"username": "alice", "password": PASSWORD})
        assert answer.status_code == 429

    def test_a_stranger_elsewhere_cannot_lock_somebody_out(self, client: SecureClient, alice: User) -> None:
        refused = [sign_in(client, "alice", "wrong", REMOTE_ADDR="203.0.113.9") for _ in range(4)]
        assert refused[-1].status_code == 429
        assert sign_in(client, "alice", PASSWORD, REMOTE_ADDR="198.51.100.7").status_code == 302

    def test_nobody_signs_in_while_attempts_cannot_be_counted(self, client: SecureClient, alice: User) -> None:
        with patch("personalq.lib.rate_limits.get_usage", side_effect=RedisConnectionError):
            answer = sign_in(client, "alice", PASSWORD)
        assert answer.status_code == 503
        assert Unavailable.title in answer.content.decode()
        assert 'id="id_password"' in answer.content.decode()
        assert not is_signed_in(client)

    @pytest.mark.parametrize(
        ("seconds", "words"),
        [(1, "1 second"), (90, "90 seconds"), (91, "2 minutes"), (120, "2 minutes"), (121, "3 minutes")],
    )
    def test_waiting_time_is_never_told_too_short(self, seconds: int, words: str) -> None:
        assert waiting_time(seconds) == words


class TestSignOut:
    def test_ends_the_session(self, signed_in: SecureClient) -> None:
        old = session_key(signed_in)
        answer = signed_in.post("/sign-out")
        assert (answer.status_code, answer["Location"]) == (302, "/sign-in")
        assert not is_signed_in(signed_in)
        signed_in.cookies[django_settings.SESSION_COOKIE_NAME] = old
        assert not is_signed_in(signed_in)

    def test_a_link_cannot_do_it(self, signed_in: SecureClient) -> None:
        answer = signed_in.get("/sign-out")
        assert (answer.status_code, answer["Allow"]) == (405, "POST, OPTIONS")
        assert is_signed_in(signed_in)

    def test_another_site_cannot_do_it(self, alice: User) -> None:
        strict = SecureClient(enforce_csrf_checks=True)
        strict.force_login(alice)
        assert strict.post("/sign-out").status_code == 403
        assert is_signed_in(strict)

    @pytest.mark.parametrize("target", FOREIGN)
    def test_nobody_is_sent_elsewhere(self, signed_in: SecureClient, target: str) -> None:
        assert signed_in.post("/sign-out", {"next": target})["Location"] == "/sign-in"

    def test_a_stranger_is_sent_to_sign_in(self, client: SecureClient, db: Any) -> None:
        assert client.post("/sign-out")["Location"] == "/sign-in"


class TestSessions:
    @pytest.mark.parametrize("ending", ["new password", "deactivated", "deleted", "epoch"])
    def test_nothing_is_left_to_a_browser_after(self, signed_in: SecureClient, alice: User, ending: str) -> None:
        assert is_signed_in(signed_in)
        if ending == "deleted":
            alice.delete()
        elif ending == "new password":
            alice.set_password("another ordinary passphrase")
            alice.save()
        else:
            alice.is_active, alice.session_epoch = ending != "deactivated", int(ending == "epoch")
            alice.save()
        assert not is_signed_in(signed_in)

    def test_a_session_does_not_outlive_the_key_it_was_made_with(
        self, signed_in: SecureClient, settings: Settings
    ) -> None:
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
        settings.SECRET_KEY = "Zq8-another-key-of-fifty-characters-for-this-test-Lm2"
        assert not is_signed_in(signed_in)
