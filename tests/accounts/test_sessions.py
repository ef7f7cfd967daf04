"""People see where they are signed in, and end it."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.contrib.auth import login
from django.contrib.sessions.models import Session
from django.utils import timezone
from pytest_django import Settings

from accounts import jobs, tokens
from accounts.models import AuditEvent, TokenFamily, User
from accounts.session_store import SessionStore, row_key_of
from accounts.tokens import families
from personalq.lib.errors import InvalidToken
from tests.accounts.clients import SecureClient, sign_in
from tests.makers import PASSWORD, make_operator, make_token, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.security]

API = "/api/v1/sessions"
PAGE = "/account/sessions"


@pytest.fixture(autouse=True)
def _nothing_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accounts.tokens.families._lately", families._Lately())


def rows(client: SecureClient, **headers: str) -> list[dict[str, Any]]:
    answer = client.get(API, headers=headers)
    assert answer.status_code == 200
    found: list[dict[str, Any]] = answer.json()["results"]
    return found


def bearer(access: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {access}"}


def is_good(access: str) -> bool:
    try:
        tokens.identity_of(access)
    except InvalidToken:
        return False
    return True


class TestBeginning:
    def test_session_of_a_browser_begins_at_the_sign_in(self, client: SecureClient, alice: User) -> None:
        sign_in(client, "alice", PASSWORD, REMOTE_ADDR="203.0.113.7", headers={"User-Agent": "Browser 1.0"})
        family = TokenFamily.objects.get()
        assert (family.kind, family.session_id) == (TokenFamily.Kind.PAGE, row_key_of(client.session))
        assert (family.address, family.user_agent) == ("203.0.113.7", "Browser 1.0")
        assert family.last_used_at is not None

    def test_session_of_a_browser_lasts_14_idle_days(self, client: SecureClient, alice: User) -> None:
        began = timezone.now()
        answer = sign_in(client, "alice", PASSWORD)
        end = Session.objects.get(pk=row_key_of(client.session)).expire_date
        assert answer.cookies[settings.SESSION_COOKIE_NAME]["max-age"] == 14 * 86_400
        assert began + timedelta(days=14) <= end <= timezone.now() + timedelta(days=14)

    def test_tokens_of_a_program_say_where_they_began(self, client: SecureClient, alice: User) -> None:
        body = {"username": "alice", "password": PASSWORD}
        client.send("/api/v1/auth/token", body, REMOTE_ADDR="2001:db8::7", headers={"User-Agent": "curl/8"})
        family = TokenFamily.objects.get()
        assert (family.kind, family.address, family.user_agent) == ("api", "2001:db8::7", "curl/8")

    def test_any_other_way_in_begins_one_with_the_first_request(self, signed_in: SecureClient, alice: User) -> None:
        signed_in.get("/api/v1/me")
        assert TokenFamily.objects.get().session_id == row_key_of(signed_in.session)

    def test_socket_token_is_of_the_same_family(self, client: SecureClient, alice: User) -> None:
        sign_in(client, "alice", PASSWORD)
        token = client.post("/session/socket-token").json()["token"]
        assert tokens.socket_identity_of(token).standing[1] == TokenFamily.objects.get().uuid

    @pytest.mark.parametrize(
        ("said", "kept"),
        [("a\x1b[31mb\x07\x9bc", "a[31mbc"), ("x" * 500, "x" * 200), ("", ""), ("a\xa0b", "ab"), ("<b>", "<b>")],
    )
    def test_what_the_client_calls_itself_is_cut_and_tamed(
        self, client: SecureClient, alice: User, said: str, kept: str
    ) -> None:
        sign_in(client, "alice", PASSWORD, HTTP_USER_AGENT=said)
        assert TokenFamily.objects.get().user_agent == kept

    def test_name_of_a_client_is_escaped_on_the_page(self, client: SecureClient, alice: User) -> None:
        sign_in(client, "alice", PASSWORD, headers={"User-Agent": "<script>alert(1)</script>"})
        assert "<script>alert" not in client.get(PAGE).content.decode()


class TestUse:
    def age(self, family: TokenFamily, seconds: int) -> None:
        TokenFamily.objects.filter(pk=family.pk).update(last_used_at=timezone.now() - timedelta(seconds=seconds))

    def test_token_notes_its_use_once_a_minute(self, alice: User) -> None:
        pair = tokens.issue_pair(alice)
        family = TokenFamily.objects.get()
        for seconds, is_noted in ((59, False), (61, True)):
            self.age(family, seconds)
            before = TokenFamily.objects.get().last_used_at
            tokens.identity_of(pair.access)
            assert (TokenFamily.objects.get().last_used_at != before) is is_noted

    def test_session_notes_its_use_too(
        self, client: SecureClient, alice: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sign_in(client, "alice", PASSWORD)
        self.age(TokenFamily.objects.get(), 120)
        monkeypatch.setattr("accounts.tokens.families._lately", families._Lately())
        client.get("/api/v1/me")
        assert timezone.now() - (TokenFamily.objects.get().last_used_at or timezone.now()) < timedelta(seconds=60)

    def test_a_process_asks_once_a_minute_and_remembers_so_many(self) -> None:
        lately = families._Lately()
        assert [lately.is_due("a"), lately.is_due("a"), lately.is_due("b")] == [True, False, True]
        for number in range(families.MOST_REMEMBERED + 5):
            lately.is_due(str(number))
        assert len(lately._noted) == families.MOST_REMEMBERED

    def test_refreshing_is_use(self, alice: User) -> None:
        pair = tokens.issue_pair(alice)
        self.age(TokenFamily.objects.get(), 120)
        tokens.rotate(pair.refresh)
        assert timezone.now() - (TokenFamily.objects.get().last_used_at or timezone.now()) < timedelta(seconds=60)


class TestList:
    def test_holds_what_goes_on_and_names_this_one(self, client: SecureClient, alice: User, bob: User) -> None:
        tokens.issue_pair(bob)
        ended = tokens.issue_pair(alice)
        tokens.sign_out(ended.refresh)
        pair = tokens.issue_pair(alice)
        sign_in(client, "alice", PASSWORD)
        assert [(row["kind"], row["is_this_one"]) for row in rows(client)] == [("page", True), ("api", False)]
        seen = rows(SecureClient(), **bearer(pair.access))
        assert [(row["kind"], row["is_this_one"]) for row in seen] == [("page", False), ("api", True)]

    def test_page_shows_them(self, client: SecureClient, alice: User) -> None:
        tokens.issue_pair(alice)
        sign_in(client, "alice", PASSWORD, REMOTE_ADDR="203.0.113.7")
        page = client.get(PAGE).content.decode()
        assert page.count('class="block session-row"') == 2
        assert "From 203.0.113.7" in page
        assert page.count("this one") == 1

    def test_session_that_ran_out_is_gone_from_it(self, client: SecureClient, alice: User) -> None:
        sign_in(client, "alice", PASSWORD)
        other = SecureClient()
        sign_in(other, "alice", PASSWORD)
        Session.objects.filter(pk=row_key_of(other.session)).delete()
        assert len(rows(client)) == 1

    def test_personal_token_does_not_see_it(self, client: SecureClient, alice: User) -> None:
        answer = client.get(API, headers=bearer(make_token(alice).text))
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")


class TestEnding:
    def test_one_of_them(self, client: SecureClient, alice: User) -> None:
        pair = tokens.issue_pair(alice)
        other = SecureClient()
        sign_in(other, "alice", PASSWORD)
        sign_in(client, "alice", PASSWORD)
        for row in rows(client):
            if not row["is_this_one"]:
                assert client.delete(row["url"].removeprefix("https://testserver")).status_code == 204
        assert not is_good(pair.access)
        assert other.get("/api/v1/me").status_code == 401
        assert client.get("/api/v1/me").status_code == 200
        assert AuditEvent.objects.filter(kind="session.ended", actor_uuid=alice.uuid).count() == 2

    def test_doing_it_again_is_harmless_and_leaves_one_row(self, signed_in: SecureClient, alice: User) -> None:
        tokens.issue_pair(alice)
        address = f"{API}/{TokenFamily.objects.get().uuid}"
        assert [signed_in.delete(address).status_code for _ in range(2)] == [204, 204]
        assert AuditEvent.objects.filter(kind="session.ended").count() == 1

    @pytest.mark.parametrize("actor", ["bob", "operator"])
    def test_somebody_elses_is_refused(self, alice: User, bob: User, actor: str) -> None:
        pair = tokens.issue_pair(alice)
        user = bob if actor == "bob" else make_operator()
        client, uuid = SecureClient(), TokenFamily.objects.get(user=alice).uuid
        client.force_login(user)
        assert client.delete(f"{API}/{uuid}").status_code == 403
        assert client.post(f"{PAGE}/{uuid}/end").status_code == 403
        assert is_good(pair.access)

    def test_unknown_one_is_404(self, signed_in: SecureClient) -> None:
        assert signed_in.delete(f"{API}/{uuid4()}").status_code == 404

    def test_all_others_by_api(self, client: SecureClient, alice: User, bob: User) -> None:
        pairs = [tokens.issue_pair(alice) for _ in range(3)]
        foreign, own = tokens.issue_pair(bob), make_token(alice)
        sign_in(client, "alice", PASSWORD)
        answer = SecureClient().post(
            f"{API}/end-others", b"", content_type="application/json", headers=bearer(pairs[0].access)
        )
        assert answer.json() == {"ended": 3}
        assert [is_good(pair.access) for pair in pairs] == [True, False, False]
        assert client.get("/api/v1/me").status_code == 401
        assert is_good(foreign.access)
        assert is_good(own.text)

    def test_all_others_by_page(self, client: SecureClient, alice: User) -> None:
        pair = tokens.issue_pair(alice)
        sign_in(client, "alice", PASSWORD)
        answer = client.post(f"{PAGE}/end-others", follow=True)
        assert "1 sign-in ended." in answer.content.decode()
        assert not is_good(pair.access)
        assert client.get(PAGE).status_code == 200

    def test_this_one_leads_to_the_sign_in_page(self, client: SecureClient, alice: User) -> None:
        sign_in(client, "alice", PASSWORD)
        answer = client.post(f"{PAGE}/{TokenFamily.objects.get().uuid}/end")
        assert answer["Location"] == "/sign-in"
        assert client.get("/api/v1/me").status_code == 401

    def test_ending_is_limited(self, signed_in: SecureClient, settings: Settings) -> None:
        settings.PERSONALQ_RATE_SESSION_CHANGE = "1/h"
        assert signed_in.post(f"{PAGE}/end-others").status_code == 302
        assert signed_in.post(f"{PAGE}/end-others").status_code == 429
        assert signed_in.delete(f"{API}/{uuid4()}").status_code == 429


def test_rows_are_kept_for_ninety_days_to_know_addresses_by(alice: User) -> None:
    now = timezone.now()
    for days in (89, 91):
        family = TokenFamily.objects.create(user=alice, expires_at=now - timedelta(days=1))
        TokenFamily.objects.filter(pk=family.pk).update(created_at=now - timedelta(days=days))
    jobs.prune()
    assert (now - TokenFamily.objects.get().created_at).days == 89


@pytest.mark.django_db(transaction=True)
def test_session_that_was_ended_meanwhile_gets_no_row(rf: Any) -> None:
    request = rf.get("/")
    request.session, request.user = SessionStore(), make_user()
    login(request, request.user, backend="django.contrib.auth.backends.ModelBackend")
    Session.objects.all().delete()
    families.note_session(request)
    assert TokenFamily.objects.count() == 0
