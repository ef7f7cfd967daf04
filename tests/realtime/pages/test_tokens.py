"""Personal tokens on the pages: made, shown once, looked at and revoked."""

from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from accounts import tokens
from accounts.models import PersonalToken, User
from accounts.scopes import ALL, SENTENCES
from tests.accounts.clients import SecureClient
from tests.makers import make_token
from tests.realtime.pages.reading import text_of

pytestmark = [pytest.mark.django_db, pytest.mark.security]

FORM = {"name": "laptop", "expires_in_days": "30", "scopes": ["tasks:read", "tasks:work"]}


class TestList:
    def test_shows_ones_own_with_what_they_may_and_when_they_were_used(
        self, page: SecureClient, alice: User, bob: User
    ) -> None:
        make_token(bob, name="bobs-own")
        new = make_token(alice, "tasks:read", name="laptop")
        shown = text_of(page.get("/tokens"))
        assert "laptop" in shown
        assert f"{new.token.prefix}… tasks:read ends" in shown
        assert "never used" in shown
        assert "bobs-own" not in shown
        assert new.text not in shown
        tokens.identity_of(new.text)
        assert "last used" in text_of(page.get("/tokens"))

    def test_tells_those_that_ended_from_those_that_soon_will(self, page: SecureClient, alice: User) -> None:
        past = timezone.now() - timedelta(days=2)
        first = make_token(alice, name="first", expires_in_days=1).token
        assert "ends soon" in text_of(page.get("/tokens"))
        PersonalToken.objects.filter(pk=first.pk).update(created_at=past, expires_at=past + timedelta(days=1))
        assert " expired " in text_of(page.get("/tokens"))
        PersonalToken.objects.filter(pk=first.pk).update(revoked_at=past, revoked_reason="owner")
        shown = text_of(page.get("/tokens"))
        assert " revoked " in shown
        assert "Revoke…" not in shown

    def test_says_what_to_do_when_there_is_none(self, page: SecureClient) -> None:
        assert "Make your first token" in text_of(page.get("/tokens"))

    def test_costs_as_many_queries_for_many_as_for_one(self, page: SecureClient, alice: User) -> None:
        make_token(alice)
        page.get("/tokens")
        with CaptureQueriesContext(connection) as for_one:
            page.get("/tokens")
        for _ in range(10):
            make_token(alice)
        with CaptureQueriesContext(connection) as for_many:
            page.get("/tokens")
        assert len(for_many) == len(for_one)

    def test_has_pages(self, page: SecureClient, alice: User) -> None:
        made = [make_token(alice, name=f"token-{number:02}").token for number in range(26)]
        assert "token-01" not in text_of(page.get("/tokens"))
        assert "token-01" in text_of(page.get(f"/tokens?before={made[2].uuid}"))

    def test_stands_in_the_navigation(self, page: SecureClient) -> None:
        assert '<a href="/tokens"' in page.get("/").content.decode()


class TestNew:
    def test_offers_every_scope_with_its_sentence_and_ticks_none(self, page: SecureClient) -> None:
        answer = page.get("/tokens/new")
        shown = text_of(answer)
        assert [scope for scope in ALL if f"{scope} {SENTENCES[scope]}" not in shown] == []
        assert "checked" not in answer.content.decode()
        assert '<option value="90" selected>' in answer.content.decode()

    def test_shows_the_token_in_the_answer_and_never_again(self, page: SecureClient, alice: User) -> None:
        answer = page.post("/tokens/new", FORM)
        token = PersonalToken.objects.get()
        assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
        assert (token.user, token.name, token.scopes) == (alice, "laptop", ["tasks:read", "tasks:work"])
        assert token.expires_at - token.created_at == timedelta(days=30)
        text = answer.content.decode().split('<code id="token-text">')[1].split("</code>")[0]
        assert tokens.identity_of(text).user == alice
        for path in ("/tokens", f"/tokens/{token.uuid}", f"/tokens/{token.uuid}/revoke", "/"):
            assert text not in page.get(path).content.decode()
        assert [row for row in Session.objects.all() if text in str(row.get_decoded())] == []

    def test_form_sent_again_makes_no_second_token(self, page: SecureClient) -> None:
        page.post("/tokens/new", FORM)
        again = page.post("/tokens/new", FORM)
        assert again.status_code == 409
        assert "You already have a token of this name." in text_of(again)
        assert PersonalToken.objects.count() == 1

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"scopes": []}, "Choose at least one thing that the token may do."),
            ({"scopes": ["root"]}, "Select a valid choice"),
            ({"name": ""}, "This field is required."),
            ({"name": "a\nb"}, "Use one line"),
            ({"name": "a/b"}, "Use letters, digits"),
            ({"expires_in_days": "367"}, "Select a valid choice"),
            ({"expires_in_days": ""}, "This field is required."),
        ],
    )
    def test_wrong_values_are_marked_and_the_rest_is_kept(
        self, page: SecureClient, changes: dict[str, object], words: str
    ) -> None:
        answer = page.post("/tokens/new", {**FORM, **changes})
        assert answer.status_code == 400
        assert words in text_of(answer)
        assert 'value="tasks:work" id="id_scope_tasks_work" checked' in answer.content.decode() or "scopes" in changes
        assert not PersonalToken.objects.exists()

    def test_quota_is_told(self, page: SecureClient, alice: User, settings: Settings) -> None:
        settings.PERSONALQ_TOKENS_PER_USER = 1
        make_token(alice)
        answer = page.post("/tokens/new", FORM)
        assert (answer.status_code, "You own 1 tokens" in text_of(answer)) == (409, True)

    def test_making_counts_together_with_the_api(self, page: SecureClient, settings: Settings) -> None:
        settings.PERSONALQ_RATE_TOKEN_CHANGE = "1/m"
        assert page.send("/api/v1/tokens", {"name": "first", "scopes": ["tasks:read"]}).status_code == 201
        answer = page.post("/tokens/new", FORM)
        assert (answer.status_code, "Retry-After" in answer) == (429, True)
        assert PersonalToken.objects.count() == 1

    def test_needs_the_forms_own_token_against_forgery(self, alice: User) -> None:
        strict = SecureClient(enforce_csrf_checks=True)
        strict.force_login(alice)
        assert strict.post("/tokens/new", FORM).status_code == 403
        assert not PersonalToken.objects.exists()


class TestOne:
    def test_says_what_it_may_in_sentences(self, page: SecureClient, alice: User) -> None:
        token = make_token(alice, "approvals:write").token
        shown = text_of(page.get(f"/tokens/{token.uuid}"))
        assert SENTENCES["approvals:write"] in shown
        assert "Revoke this token" in shown
        assert token.digest not in shown

    def test_stranger_sees_and_ends_nothing(self, strange_page: SecureClient, alice: User) -> None:
        token = make_token(alice).token
        assert strange_page.get(f"/tokens/{token.uuid}").status_code == 403
        assert strange_page.post(f"/tokens/{token.uuid}/revoke").status_code == 403
        token.refresh_from_db()
        assert token.state == "live"

    def test_owner_revokes_after_being_asked(self, page: SecureClient, alice: User) -> None:
        new = make_token(alice, name="laptop")
        path = f"/tokens/{new.token.uuid}/revoke"
        assert "Revoke laptop?" in text_of(page.get(path))
        assert tokens.identity_of(new.text).user == alice
        answer = page.post(path, follow=True)
        assert "The token laptop is revoked." in text_of(answer)
        new.token.refresh_from_db()
        assert (new.token.state, new.token.revoked_reason) == ("revoked", "owner")
        assert "It has ended already." in text_of(page.get(path))

    def test_operator_sees_and_revokes_anybodys(self, operators_page: SecureClient, alice: User) -> None:
        new = make_token(alice)
        assert "This token is alice’s." in text_of(operators_page.get(f"/tokens/{new.token.uuid}"))
        operators_page.post(f"/tokens/{new.token.uuid}/revoke")
        new.token.refresh_from_db()
        assert new.token.revoked_reason == "operator"
