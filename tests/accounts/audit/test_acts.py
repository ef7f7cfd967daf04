"""What people do to accounts, tokens and keys stands in the audit trail."""

import io
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.utils import timezone

from accounts import credentials, tokens
from accounts.audit import keys
from accounts.credentials import TestResult
from accounts.models import AuditEvent, AuditMark, Credential, PersonalToken, TokenFamily, User
from accounts.models.audit_event import Outcome
from accounts.tokens import personal_tokens
from personalq.lib.admin import SafeModelAdmin
from personalq.lib.errors import InvalidToken
from tests.accounts.clients import SecureClient, sign_in
from tests.makers import PASSWORD, SECRET, make_agent, make_credential, make_token

pytestmark = [pytest.mark.django_db, pytest.mark.security]

USERS, FAMILIES = "/admin/accounts/user/", "/admin/accounts/tokenfamily/"
WRONG = "quite another passphrase"


def told(kind: str, **wanted: Any) -> AuditEvent:
    """The one event of a kind."""
    return AuditEvent.objects.get(kind=kind, **wanted)


def count(kind: str) -> int:
    return AuditEvent.objects.filter(kind=kind).count()


def facts_of(event: AuditEvent) -> tuple[Any, ...]:
    """Who did what to whom, about what, and how it ended."""
    return (event.actor_name, event.owner_uuid, event.object_kind, event.object_uuid, event.outcome)


class TestSigningIn:
    def test_by_the_page(self, client: SecureClient, alice: User) -> None:
        sign_in(client, "alice", PASSWORD, REMOTE_ADDR="192.0.2.7")
        event = told("sign_in.done")
        assert facts_of(event) == ("alice", alice.uuid, "user", alice.uuid, Outcome.DONE)
        assert (event.address, event.facts) == ("192.0.2.7", {"by": "page"})
        assert len(event.request_id) == 32

    def test_by_the_api(self, client: SecureClient, alice: User) -> None:
        client.send("/api/v1/auth/token", {"username": "alice", "password": PASSWORD})
        family = TokenFamily.objects.get(kind=TokenFamily.Kind.API)
        event = told("sign_in.done")
        assert facts_of(event) == ("alice", alice.uuid, "session", family.uuid, Outcome.DONE)
        assert event.facts == {"by": "tokens"}

    @pytest.mark.parametrize("path", ["/sign-in", "/api/v1/auth/token"])
    def test_failure_concerns_whose_name_it_is(self, client: SecureClient, alice: User, path: str) -> None:
        body = {"username": "alice", "password": WRONG}
        answer = client.post(path, body) if path == "/sign-in" else client.send(path, body)
        assert answer.status_code in {200, 401}
        event = told("sign_in.failed")
        assert facts_of(event) == ("", alice.uuid, "", None, Outcome.DENIED)
        assert event.address == "127.0.0.1"

    def test_failure_keeps_no_name_and_tells_equal_ones(self, client: SecureClient, alice: User) -> None:
        for name in ("my secret passphrase", " My Secret Passphrase", "somebody else"):
            client.send("/api/v1/auth/token", {"username": name, "password": WRONG})
        found = [event.facts["name"] for event in AuditEvent.objects.filter(kind="sign_in.failed").order_by("id")]
        assert found[0] == found[1] != found[2]
        assert found[0] == keys.digest_of("my secret passphrase")
        assert "passphrase" not in str(list(AuditEvent.objects.values_list()))

    def test_failure_of_nobody_concerns_nobody(self, client: SecureClient, db: Any) -> None:
        client.send("/api/v1/auth/token", {"username": "nobody", "password": WRONG})
        assert told("sign_in.failed").owner_uuid is None

    def test_who_tries_too_often_is_mentioned_once(self, client: SecureClient, alice: User, settings: Any) -> None:
        settings.PERSONALQ_RATE_SIGN_IN_NAME = "2/m"
        for _ in range(6):
            client.send("/api/v1/auth/token", {"username": "alice", "password": WRONG})
        assert (count("sign_in.failed"), count("sign_in.limited")) == (2, 1)
        event = told("sign_in.limited")
        assert facts_of(event)[:2] == ("", alice.uuid)
        assert event.facts["name"] == keys.digest_of("alice")


class TestSigningOut:
    def test_of_the_page(self, client: SecureClient, alice: User) -> None:
        sign_in(client, "alice", PASSWORD)
        client.post("/sign-out")
        event = told("session.ended")
        assert facts_of(event) == ("alice", alice.uuid, "user", alice.uuid, Outcome.DONE)
        assert event.facts == {"reason": "sign-out"}

    def test_who_was_not_signed_in_leaves_nothing(self, client: SecureClient, db: Any) -> None:
        client.post("/sign-out")
        assert count("session.ended") == 0

    def test_of_the_api_once(self, alice: User) -> None:
        pair = tokens.issue_pair(alice)
        tokens.sign_out(pair.refresh)
        tokens.sign_out(pair.refresh)
        event = told("session.ended")
        assert facts_of(event)[:3] == ("alice", alice.uuid, "session")

    def test_everywhere(self, alice: User, operator: User) -> None:
        make_token(alice)
        tokens.sign_out_everywhere(alice, "operator", actor=operator)
        event = told("session.all_ended")
        assert facts_of(event) == ("olga", alice.uuid, "user", alice.uuid, Outcome.DONE)
        assert told("token.all_revoked").facts == {"count": 1, "reason": "operator"}

    def test_refresh_token_that_is_used_twice(self, alice: User) -> None:
        pair = tokens.issue_pair(alice)
        tokens.rotate(pair.refresh)
        with pytest.raises(InvalidToken):
            tokens.rotate(pair.refresh)
        event = told("refresh_token.reused")
        assert facts_of(event) == ("", alice.uuid, "session", TokenFamily.objects.get().uuid, Outcome.DENIED)

    def test_by_an_operator(self, at_admin: SecureClient, alice: User) -> None:
        tokens.issue_pair(alice)
        family = alice.token_families.get()
        at_admin.post(FAMILIES, {"action": "revoke", "_selected_action": [str(family.pk)]})
        event = told("session.ended")
        assert facts_of(event) == ("olga", alice.uuid, "session", family.uuid, Outcome.DONE)
        assert event.facts == {"reason": "operator"}


class TestPersonalTokens:
    def test_making_one(self, alice: User) -> None:
        new = make_token(alice, "tasks:read", expires_in_days=7)
        event = told("token.made")
        assert facts_of(event) == ("alice", alice.uuid, "personal_token", new.token.uuid, Outcome.DONE)
        assert event.facts == {"scopes": ["tasks:read"], "days": 7}
        assert new.text not in str(list(AuditEvent.objects.values_list()))

    def test_revoking_one_once(self, alice: User, operator: User) -> None:
        new = make_token(alice)
        for actor in (operator, alice):
            personal_tokens.revoke(actor=actor, token=new.token)
        event = told("token.revoked")
        assert facts_of(event) == ("olga", alice.uuid, "personal_token", new.token.uuid, Outcome.DONE)

    @pytest.mark.parametrize("end", ["revoked", "expired", "deactivated"])
    def test_using_one_after_its_end_is_mentioned_once_an_hour(self, alice: User, end: str) -> None:
        new = make_token(alice)
        end_token(new, end)
        for _ in range(3):
            with pytest.raises(InvalidToken):
                tokens.identity_of(new.text)
        event = told("token.used_after_end")
        assert facts_of(event) == ("", alice.uuid, "personal_token", new.token.uuid, Outcome.DENIED)
        assert event.facts == {"state": end}

    def test_text_that_is_no_token_of_ours_leaves_nothing(self, alice: User) -> None:
        for text in ("pq_", "pq_" + "x" * 43, "nothing"):
            with pytest.raises(InvalidToken):
                tokens.identity_of(text)
        assert count("token.used_after_end") == 0


def end_token(new: personal_tokens.NewToken, how: str) -> None:
    if how == "revoked":
        personal_tokens.revoke(actor=new.token.user, token=new.token)
    elif how == "expired":
        past = timezone.now() - timedelta(days=2)
        PersonalToken.objects.filter(pk=new.token.pk).update(created_at=past, expires_at=past + timedelta(days=1))
    else:
        User.objects.filter(pk=new.token.user_id).update(is_active=False)


class TestCredentials:
    def test_making_changing_and_deleting_one(self, alice: User) -> None:
        credential = make_credential(alice)
        credentials.change(actor=alice, credential=credential, name="other", secret="sk-another-0123456789")
        credentials.delete(actor=alice, credential=credential)
        about = ("alice", alice.uuid, "credential", credential.uuid, Outcome.DONE)
        assert [facts_of(told(f"credential.{deed}")) for deed in ("made", "changed", "deleted")] == [about] * 3
        assert told("credential.changed").facts == {"fields": ["name", "secret"], "provider": "anthropic"}
        everything = str(list(AuditEvent.objects.values_list()))
        assert SECRET not in everything
        assert "sk-another" not in everything

    def test_refused_change_leaves_nothing(self, alice: User) -> None:
        credential = make_credential(alice)
        make_agent(alice, credential=credential, kind="anthropic", config={})
        with pytest.raises(credentials.CredentialInUse):
            credentials.delete(actor=alice, credential=credential)
        assert count("credential.deleted") == 0

    def test_test_that_failed(self, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
        async def tester(_: str) -> TestResult:
            return TestResult(is_ok=False, code="auth_failed")

        monkeypatch.setitem(credentials._testers, "anthropic", tester)
        credential = make_credential(alice)
        credentials.try_out(actor=alice, credential=credential)
        event = told("credential.test_failed")
        assert facts_of(event) == ("alice", alice.uuid, "credential", credential.uuid, Outcome.FAILED)
        assert event.facts == {"code": "auth_failed", "provider": "anthropic"}


def user_form(user: User, **changes: Any) -> dict[str, Any]:
    form = {"username": user.username, "email": "", "first_name": "", "last_name": "", "is_active": "on"}
    return {name: value for name, value in {**form, **changes}.items() if value is not None}


class TestUsersInTheAdmin:
    def change(self, client: SecureClient, user: User, **changes: Any) -> None:
        answer = client.post(f"{USERS}{user.pk}/change/", user_form(user, **changes))
        assert answer.status_code == 302, answer.content

    def test_made(self, at_admin: SecureClient, operator: User) -> None:
        form = {"username": "carol", "password1": "an ordinary passphrase", "password2": "an ordinary passphrase"}
        at_admin.post(f"{USERS}add/", {**form, "usable_password": "true"})
        carol = User.objects.get(username="carol")
        assert facts_of(told("user.made")) == ("olga", carol.uuid, "user", carol.uuid, Outcome.DONE)

    def test_deactivated_and_activated(self, at_admin: SecureClient, alice: User) -> None:
        self.change(at_admin, alice, is_active=None)
        assert facts_of(told("user.deactivated")) == ("olga", alice.uuid, "user", alice.uuid, Outcome.DONE)
        assert told("session.all_ended").actor_name == "olga"
        alice.refresh_from_db()
        self.change(at_admin, alice)
        assert told("user.reactivated").object_uuid == alice.uuid

    def test_given_a_role(self, at_admin: SecureClient, alice: User) -> None:
        self.change(at_admin, alice, is_staff="on", groups=[Group.objects.create(name="helpers").pk])
        event = told("user.role_changed")
        assert facts_of(event)[:4] == ("olga", alice.uuid, "user", alice.uuid)
        assert event.facts == {"by": "admin", "fields": ["groups", "is_staff"]}
        assert count("user.changed") == 0

    def test_changed_with_the_names_of_fields_and_no_value(self, at_admin: SecureClient, alice: User) -> None:
        self.change(at_admin, alice, first_name="Confidential", last_name="Person")
        assert told("user.changed").facts == {"by": "admin", "fields": ["first_name", "last_name"]}
        assert "Confidential" not in str(list(AuditEvent.objects.values_list()))

    def test_deleted(self, at_admin: SecureClient, alice: User) -> None:
        at_admin.post(f"{USERS}{alice.pk}/delete/", {"post": "yes"})
        assert not User.objects.filter(pk=alice.pk).exists()
        assert facts_of(told("user.deleted")) == ("olga", alice.uuid, "user", alice.uuid, Outcome.DONE)

    def test_given_a_password(self, at_admin: SecureClient, alice: User) -> None:
        new = "another ordinary passphrase"
        at_admin.post(f"{USERS}{alice.pk}/password/", {"password1": new, "password2": new, "usable_password": "true"})
        assert told("password.changed").actor_name == "olga"
        assert "passphrase" not in str(list(AuditEvent.objects.values_list()))

    def test_first_operator(self, db: Any) -> None:
        call_command("ensure_first_operator", stdout=io.StringIO())
        admin_user = User.objects.get(username="admin")
        event = told("user.made")
        assert (event.owner_uuid, event.facts) == (admin_user.uuid, {"by": "command"})

    def test_another_one_made_from_the_shell(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
        call_command("createsuperuser", "--no-input", username="zoe", email="", stdout=io.StringIO())
        zoe = User.objects.get(username="zoe")
        (event,) = AuditEvent.objects.filter(kind="user.made", object_uuid=zoe.uuid)
        assert (event.owner_uuid, event.facts) == (zoe.uuid, {"by": "command"})


class TestEveryActInTheAdmin:
    def test_all_models_tell_of_their_acts(self) -> None:
        silent = [model for model, each in admin.site._registry.items() if not isinstance(each, SafeModelAdmin)]
        assert silent == []

    def test_adding_changing_and_deleting(self, at_admin: SecureClient) -> None:
        at_admin.post("/admin/auth/group/add/", {"name": "helpers"})
        group = Group.objects.get()
        at_admin.post(f"/admin/auth/group/{group.pk}/change/", {"name": "others"})
        at_admin.post(f"/admin/auth/group/{group.pk}/delete/", {"post": "yes"})
        found = AuditEvent.objects.filter(kind__startswith="admin.").order_by("id")
        key = str(group.pk)
        assert [(event.kind, event.actor_name, event.facts) for event in found] == [
            ("admin.added", "olga", {"model": "auth.group", "key": key}),
            ("admin.changed", "olga", {"model": "auth.group", "key": key, "fields": ["Name"]}),
            ("admin.deleted", "olga", {"model": "auth.group", "key": key}),
        ]

    def test_deleting_many_tells_of_each(self, at_admin: SecureClient, alice: User, bob: User) -> None:
        chosen = {"action": "delete_selected", "_selected_action": [alice.pk, bob.pk], "post": "yes"}
        at_admin.post(USERS, chosen)
        assert (count("admin.deleted"), count("user.deleted")) == (2, 2)

    def test_owner_reads_what_an_operator_did(self, at_admin: SecureClient, alice: User) -> None:
        new = make_token(alice)
        at_admin.post("/admin/accounts/personaltoken/", {"action": "revoke", "_selected_action": [str(new.token.pk)]})
        event = told("admin.changed")
        assert facts_of(event) == ("olga", alice.uuid, "personal_token", new.token.uuid, Outcome.DONE)
        assert event.facts["words"] == "Revoked."

    def test_deleting_a_credential(self, at_admin: SecureClient, alice: User) -> None:
        credential = make_credential(alice)
        at_admin.post(f"/admin/accounts/credential/{credential.pk}/delete/", {"post": "yes"})
        assert not Credential.objects.exists()
        assert told("credential.deleted").actor_name == "olga"


class TestTrailInTheAdmin:
    @pytest.fixture
    def event(self, alice: User) -> AuditEvent:
        make_token(alice)
        return told("token.made")

    def test_number_is_shown_and_no_key(self, at_admin: SecureClient, event: AuditEvent) -> None:
        AuditEvent.objects.filter(pk=event.pk).update(number=4711, seal="a" * 64, key_id="b" * 16)
        for path in ("", f"{event.pk}/change/"):
            shown = at_admin.get(f"/admin/accounts/auditevent/{path}").content.decode()
            assert "4711" in shown
            assert "b" * 16 not in shown

    @pytest.mark.parametrize("path", ["add/", "{}/change/", "{}/delete/"])
    def test_nobody_changes_it_there(self, at_admin: SecureClient, event: AuditEvent, path: str) -> None:
        before = AuditEvent.objects.filter(kind="token.made").values_list().get()
        address = f"/admin/accounts/auditevent/{path.format(event.pk)}"
        assert at_admin.post(address, {"kind": "x.y", "outcome": "done", "post": "yes"}).status_code == 403
        assert AuditEvent.objects.filter(kind="token.made").values_list().get() == before

    def test_nobody_deletes_many(self, at_admin: SecureClient, event: AuditEvent) -> None:
        chosen = {"action": "delete_selected", "_selected_action": [event.pk], "post": "yes"}
        at_admin.post("/admin/accounts/auditevent/", chosen)
        assert AuditEvent.objects.filter(pk=event.pk).exists()

    @pytest.mark.parametrize("path", ["add/", "{}/change/", "{}/delete/"])
    def test_nobody_changes_a_mark(self, at_admin: SecureClient, path: str) -> None:
        mark = AuditMark.objects.create(kind="head", number=1, seal="a" * 64, at="2026-01-01T00:00Z", mac="c" * 64)
        assert at_admin.get("/admin/accounts/auditmark/").status_code == 200
        assert at_admin.post(f"/admin/accounts/auditmark/{path.format(mark.pk)}", {"post": "yes"}).status_code == 403
        assert AuditMark.objects.filter(pk=mark.pk, number=1).exists()
