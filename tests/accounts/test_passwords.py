"""What a password may be, the one verb that sets it, and what a new one ends."""

import re
import unicodedata
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.hashers import PBKDF2PasswordHasher, make_password
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import F
from django.test import Client
from pytest_django import Settings

from accounts import one_time_codes, passwords, tokens
from accounts.models import AuditEvent, OneTimeCode, PersonalToken, TokenFamily, User
from accounts.one_time_codes import Purpose
from accounts.passwords.resets import LIFETIME
from accounts.session_store import SessionStore, row_key_of
from accounts.tokens import personal_tokens
from personalq.lib.errors import InvalidInput, InvalidToken
from tests.accounts.clients import SecureClient, sign_in
from tests.makers import PASSWORD, make_token, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.security]

NEW = "quite another ordinary sentence"


def refusals(password: str, user: User) -> set[str]:
    """The codes with which the rules refuse a password."""
    try:
        passwords.check(password, user=user)
    except InvalidInput as refused:
        return {each.code for each in refused.errors}
    return set()


class TestRules:
    @pytest.mark.parametrize(
        ("password", "code"),
        [
            ("fourteen chars", "password_too_short"),
            ("x" * 1025, "password_too_long"),
            ("1qaz2wsx3edc4rfv", "password_too_common"),
            ("passwordpassword", "password_repeats"),
            ("passwordpasswordpas", "password_repeats"),
            ("aaaaaaaaaaaaaaaa", "password_repeats"),
            ("12345678901234567890", "password_entirely_numeric"),
            ("my personalq is the best one", "password_has_own_word"),
            ("My Personal-Q is the best one", "password_has_own_word"),
            ("p.e.r.s.o.n.a.l.q for ever", "password_has_own_word"),
            ("ＰＥＲＳＯＮＡＬＱ for ever and ever", "password_has_own_word"),
            ("the hopperhouse is on fire", "password_has_own_word"),
            ("nobody but grace.hopper knows", "password_has_own_word"),
            ("we all sail on the navyships", "password_has_own_word"),
            ("tasks wait at queue-house now", "password_has_own_word"),
        ],
    )
    def test_what_somebody_would_guess_is_refused(self, password: str, code: str, settings: Settings) -> None:
        settings.PERSONALQ_PUBLIC_URL = "https://queue-house.example.org"
        user = User(username="hopperhouse", email="grace.hopper@navyships.mil")
        assert code in refusals(password, user)

    @pytest.mark.parametrize(
        "password",
        [
            "exactly fifteen",
            "a rather long sentence " * 44,
            "ALL LETTERS ARE LARGE",
            "  blanks at both ends  ",
            "пароль из нескольких слов",
            "🐘 one two three four 🐘",
        ],
    )
    def test_length_counts_and_not_the_kind_of_characters(self, password: str) -> None:
        assert refusals(password, User(username="hopper", email="grace@navyships.mil")) == set()

    def test_the_longest_is_taken_whole(self, client: SecureClient, alice: User) -> None:
        longest = "a rather long sentence " * 44 + "and so forth"
        assert len(longest) == 1024
        passwords.replace(actor=None, user=alice, new=longest, how="command")
        assert sign_in(client, "alice", f"{longest[:-1]}c").status_code == 200
        assert sign_in(client, "alice", longest).status_code == 302

    @pytest.mark.parametrize("other", [NEW.upper(), f" {NEW}", f"{NEW} "])
    def test_nothing_is_trimmed_and_no_letter_made_small(self, client: SecureClient, alice: User, other: str) -> None:
        passwords.replace(actor=None, user=alice, new=NEW, how="command")
        assert sign_in(client, "alice", other).status_code == 200

    @pytest.mark.parametrize("made_as", ["NFC", "NFD"])
    @pytest.mark.parametrize("typed_as", ["NFC", "NFD"])
    @pytest.mark.parametrize("how", ["verb", "manager"])
    def test_one_accent_is_one_whatever_the_keyboard_sends(
        self, client: SecureClient, db: Any, made_as: Any, typed_as: Any, how: str
    ) -> None:
        text = "un été très agréable là-bas"
        made, typed = unicodedata.normalize(made_as, text), unicodedata.normalize(typed_as, text)
        if how == "verb":
            passwords.replace(actor=None, user=make_user("amelie"), new=made, how="command")
        else:
            User.objects.create_superuser("amelie", password=made)
        assert sign_in(client, "amelie", typed).status_code == 302


class TestHashes:
    @pytest.fixture(autouse=True)
    def real_hashing(self, settings: Settings) -> None:
        settings.PASSWORD_HASHERS = [
            "django.contrib.auth.hashers.Argon2PasswordHasher",
            "django.contrib.auth.hashers.PBKDF2PasswordHasher",
        ]

    def test_new_ones_are_argon2id(self, alice: User) -> None:
        passwords.replace(actor=None, user=alice, new=NEW, how="command")
        alice.refresh_from_db()
        assert alice.password.startswith("argon2$argon2id$")

    def test_an_older_hash_is_replaced_at_the_next_sign_in(self, client: SecureClient, alice: User) -> None:
        older = make_password(PASSWORD, hasher=PBKDF2PasswordHasher())
        User.objects.filter(pk=alice.pk).update(password=older)
        assert sign_in(client, "alice", PASSWORD).status_code == 302
        alice.refresh_from_db()
        assert alice.password.startswith("argon2$argon2id$")
        assert client.get("/api/v1/me").status_code == 200
        assert sign_in(SecureClient(), "alice", PASSWORD).status_code == 302

    def test_that_never_brings_an_older_password_back(self, alice: User) -> None:
        User.objects.filter(pk=alice.pk).update(password=make_password(PASSWORD, hasher=PBKDF2PasswordHasher()))
        signing_in = User.objects.get(pk=alice.pk)
        passwords.replace(actor=None, user=alice, new=NEW, how="command")
        assert signing_in.check_password(PASSWORD)
        assert authenticate(username="alice", password=PASSWORD) is None
        assert authenticate(username="alice", password=NEW) == alice


@pytest.fixture
def page(alice: User) -> SecureClient:
    client = SecureClient()
    sign_in(client, "alice", PASSWORD)
    return client


def send(page: Client, **changed: Any) -> Any:
    form = {"current": PASSWORD, "new": NEW, "again": NEW, "ends_tokens": "on", **changed}
    return page.post("/account/password", {name: value for name, value in form.items() if value is not None})


class TestPage:
    def test_a_new_password_ends_all_but_this_session(self, page: SecureClient, alice: User) -> None:
        other = SecureClient()
        sign_in(other, "alice", PASSWORD)
        pair, text = tokens.issue_pair(alice), make_token(alice).text
        before = page.cookies["__Host-session"].value
        answer = send(page)
        assert (answer.status_code, answer["Location"]) == (302, "/account")
        assert page.get("/api/v1/me").status_code == 200
        assert page.cookies["__Host-session"].value != before
        assert not SessionStore().exists(before)
        assert other.get("/api/v1/me").status_code == 401
        for ended in (pair.access, text):
            with pytest.raises(InvalidToken):
                tokens.identity_of(ended)
        with pytest.raises(InvalidToken):
            tokens.rotate(pair.refresh)
        assert sign_in(SecureClient(), "alice", PASSWORD).status_code == 200
        assert sign_in(SecureClient(), "alice", NEW).status_code == 302

    def test_the_list_of_sign_ins_holds_this_one_alone(self, page: SecureClient, alice: User) -> None:
        sign_in(SecureClient(), "alice", PASSWORD)
        tokens.issue_pair(alice)
        page.get("/")
        send(page)
        assert [each.session_id for each in TokenFamily.objects.live()] == [row_key_of(page.session)]
        assert set(TokenFamily.objects.exclude(revoked_at=None).values_list("revoked_reason", flat=True)) == {
            "password"
        }

    def test_personal_tokens_go_on_when_the_box_is_not_ticked(self, page: SecureClient, alice: User) -> None:
        text = make_token(alice).text
        send(page, ends_tokens=None)
        assert tokens.identity_of(text).user == alice

    def test_the_box_is_ticked_unless_somebody_takes_that_back(self, page: SecureClient) -> None:
        boxes = re.findall(r"<input[^>]*ends_tokens[^>]*>", page.get("/account/password").content.decode())
        assert ["checked" in each for each in boxes] == [True]

    def test_the_reason_of_an_ended_token_is_told(self, page: SecureClient, alice: User) -> None:
        make_token(alice)
        send(page)
        assert PersonalToken.objects.get().revoked_reason == "password"

    @pytest.mark.parametrize(
        ("changed", "field"),
        [
            ({"current": "wrong"}, "current"),
            ({"current": NEW}, "current"),
            ({"new": "short", "again": "short"}, "new"),
            ({"again": f"{NEW}!"}, "again"),
            ({"new": "alice alice alice alice", "again": "alice alice alice alice"}, "new"),
        ],
    )
    def test_what_is_wrong_is_said_at_the_field_and_changes_nothing(
        self, page: SecureClient, alice: User, changed: dict[str, str], field: str
    ) -> None:
        before = User.objects.get(pk=alice.pk).password
        answer = send(page, **changed)
        assert answer.status_code == 400
        assert f'id="id_{field}_error"' in answer.content.decode()
        assert User.objects.get(pk=alice.pk).password == before
        assert NEW not in answer.content.decode()

    def test_guessing_the_present_one_is_counted_like_signing_in(self, page: SecureClient, settings: Settings) -> None:
        settings.PERSONALQ_RATE_SIGN_IN_NAME = "3/m"
        answers = [send(page, current="wrong") for _ in range(4)]
        assert [each.status_code for each in answers] == [400, 400, 400, 429]
        assert answers[-1]["Retry-After"]
        assert "Try again in" in answers[-1].content.decode()
        assert sign_in(SecureClient(), "alice", PASSWORD).status_code == 429

    def test_both_are_in_the_audit_trail_and_no_password_is(self, page: SecureClient, alice: User) -> None:
        send(page, current="wrong-password-of-mine")
        send(page)
        rows = list(AuditEvent.objects.filter(kind="password.changed").order_by("id"))
        assert [(each.outcome, each.actor_uuid, each.owner_uuid) for each in rows] == [
            ("denied", alice.uuid, alice.uuid),
            ("done", alice.uuid, alice.uuid),
        ]
        assert rows[1].facts == {"how": "owner", "ends_tokens": True}
        with connection.cursor() as cursor:
            cursor.execute("SELECT string_agg(t::text, ' ') FROM audit_events t")
            assert NEW not in str(cursor.fetchone())


def test_a_new_password_ends_the_codes_that_were_on_their_way(alice: User) -> None:
    code = one_time_codes.make(Purpose.RESET, user=alice, lasting=LIFETIME)
    passwords.replace(actor=None, user=alice, new=NEW, how="command")
    with pytest.raises(one_time_codes.CodeRefused):
        one_time_codes.find(Purpose.RESET, code.text)


class TestApi:
    def change(self, client: SecureClient, bearer: str, **body: Any) -> Any:
        headers = {"Authorization": f"Bearer {bearer}"}
        return client.send("/api/v1/me/password", {"current": PASSWORD, "new": NEW, **body}, headers=headers)

    def test_whoever_came_by_a_token_gets_a_new_pair(self, client: SecureClient, alice: User) -> None:
        old, other = tokens.issue_pair(alice), tokens.issue_pair(alice)
        text = make_token(alice).text
        answer = self.change(client, old.access)
        assert answer.status_code == 200
        assert client.me(answer.json()["access"]).status_code == 200
        for ended in (old.access, other.access, text):
            assert client.me(ended).status_code == 401
        assert client.send("/api/v1/auth/refresh", {"refresh": old.refresh}).status_code == 401
        assert client.send("/api/v1/auth/refresh", {"refresh": answer.json()["refresh"]}).status_code == 200

    def test_personal_tokens_go_on_when_that_is_asked_for(self, client: SecureClient, alice: User) -> None:
        text = make_token(alice).text
        assert self.change(client, tokens.issue_pair(alice).access, keep_tokens=True).status_code == 200
        assert client.me(text).status_code == 200

    def test_a_session_goes_on_and_gets_no_tokens(self, page: SecureClient) -> None:
        answer = page.send("/api/v1/me/password", {"current": PASSWORD, "new": NEW})
        assert (answer.status_code, answer.content) == (204, b"")
        assert page.get("/api/v1/me").status_code == 200

    def test_a_session_that_was_ended_is_not_brought_back_by_a_token(self, page: SecureClient, alice: User) -> None:
        # Its row is still there, and good for nothing: what signing out everywhere leaves when it is cut short.
        User.objects.filter(pk=alice.pk).update(session_epoch=F("session_epoch") + 1)
        alice.refresh_from_db()
        assert self.change(page, tokens.issue_pair(alice).access).status_code == 200
        assert page.get("/api/v1/me").status_code == 401

    def test_a_personal_token_cannot(self, client: SecureClient, alice: User) -> None:
        answer = self.change(client, make_token(alice).text)
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")

    @pytest.mark.parametrize(
        ("body", "field", "code"),
        [
            ({"current": "wrong"}, "current", "wrong_password"),
            ({"new": "short"}, "new", "password_too_short"),
            ({"new": 15}, "new", "invalid"),
            ({"again": NEW}, "again", "unknown_field"),
        ],
    )
    def test_what_is_wrong_is_named(self, client: SecureClient, alice: User, body: Any, field: str, code: str) -> None:
        answer = self.change(client, tokens.issue_pair(alice).access, **body)
        assert answer.status_code == 400
        assert (field, code) in {(each["field"], each["code"]) for each in answer.json()["errors"]}


class TestCommand:
    @pytest.fixture
    def typed(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        lines: list[str] = []
        monkeypatch.setattr("getpass.getpass", lambda _prompt: lines.pop(0))
        return lines

    def test_changepassword_ends_what_a_new_password_ends(self, alice: User, typed: list[str]) -> None:
        pair, text = tokens.issue_pair(alice), make_token(alice).text
        typed += [NEW, NEW]
        call_command("changepassword", "alice")
        for ended in (pair.access, text):
            with pytest.raises(InvalidToken):
                tokens.identity_of(ended)
        event = AuditEvent.objects.get(kind="password.changed")
        assert (event.actor_uuid, event.owner_uuid, event.facts["how"]) == (None, alice.uuid, "command")

    def test_nothing_of_the_log_gets_into_the_dialogue(
        self, alice: User, typed: list[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        typed += [NEW, NEW]
        call_command("changepassword", "alice")
        assert [each.getMessage() for each in caplog.records] == []

    def test_tokens_can_be_kept(self, alice: User, typed: list[str]) -> None:
        text = make_token(alice).text
        typed += [NEW, NEW]
        call_command("changepassword", "alice", "--keep-tokens")
        assert personal_tokens.identity_of(text).user == alice

    def test_three_bad_ones_change_nothing(self, alice: User, typed: list[str], capsys: Any) -> None:
        typed += ["short", "short", NEW, f"{NEW}!", "personalq personalq", "personalq personalq"]
        with pytest.raises(CommandError, match="Nothing was changed"):
            call_command("changepassword", "alice")
        assert authenticate(username="alice", password=PASSWORD) == alice
        assert NEW not in capsys.readouterr().err

    def test_nobody_is_found_by_chance(self, typed: list[str], db: Any) -> None:
        with pytest.raises(CommandError, match="no user"):
            call_command("changepassword", "nobody")


class TestAdmin:
    def test_an_operator_sets_a_password_by_the_same_rules(self, at_admin: SecureClient, alice: User) -> None:
        pair, text = tokens.issue_pair(alice), make_token(alice).text
        address = f"/admin/accounts/user/{alice.pk}/password/"
        form = {"password1": "personalq personalq", "password2": "personalq personalq", "usable_password": "true"}
        assert at_admin.post(address, form).status_code == 200
        assert tokens.identity_of(pair.access).user == alice
        answer = at_admin.post(address, {**form, "password1": NEW, "password2": NEW})
        assert answer.status_code == 302
        for ended in (pair.access, text):
            with pytest.raises(InvalidToken):
                tokens.identity_of(ended)
        assert authenticate(username="alice", password=NEW) == alice
        event = AuditEvent.objects.get(kind="password.changed")
        assert (event.actor_name, event.owner_uuid, event.facts["how"]) == ("olga", alice.uuid, "operator")

    def test_an_operator_can_take_the_password_away(self, at_admin: SecureClient, alice: User) -> None:
        form = {"password1": "", "password2": "", "usable_password": "false", "unset-password": "1"}
        assert at_admin.post(f"/admin/accounts/user/{alice.pk}/password/", form).status_code == 302
        alice.refresh_from_db()
        assert not alice.has_usable_password()
        assert AuditEvent.objects.filter(kind="password.changed", owner_uuid=alice.uuid).count() == 1

    def test_ones_own_is_changed_where_the_present_one_is_asked_for(
        self, at_admin: SecureClient, operator: User
    ) -> None:
        for address in ("/admin/password_change/", f"/admin/accounts/user/{operator.pk}/password/"):
            answer = at_admin.post(address, {"password1": NEW, "password2": NEW, "usable_password": "true"})
            assert (answer.status_code, answer["Location"]) == (302, "/account/password")
        assert authenticate(username="olga", password=PASSWORD) == operator

    def test_codes_are_seen_without_what_they_say(self, at_admin: SecureClient, alice: User) -> None:
        made = one_time_codes.make(Purpose.RESET, user=alice, lasting=LIFETIME)
        row = OneTimeCode.objects.get()
        for address in ("", f"{row.pk}/change/", "?q=alice"):
            page = at_admin.get(f"/admin/accounts/onetimecode/{address}").content.decode()
            assert "alice" in page
            assert made.text not in page
            assert row.digest not in page
        assert at_admin.get(f"/admin/accounts/onetimecode/?digest__startswith={row.digest[:3]}").status_code == 400


def test_every_rule_is_asked_by_every_way_in(settings: Settings) -> None:
    names = [each["NAME"].rpartition(".")[2] for each in settings.AUTH_PASSWORD_VALIDATORS]
    assert names == [
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
        "LongestLengthValidator",
        "RepetitionValidator",
        "OwnWordsValidator",
        "BreachValidator",
    ]
