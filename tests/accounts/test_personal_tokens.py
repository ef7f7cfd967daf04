"""What a personal token is, what makes it good, and what ends it."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from accounts import jobs, tokens
from accounts.models import PersonalToken, User
from accounts.tokens import personal_tokens, token_text
from personalq.lib.constraints import NameTaken
from personalq.lib.errors import InvalidInput, InvalidToken, NotAuthenticated
from tests.accounts.clients import SecureClient
from tests.makers import PASSWORD, make_token, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.security]


def is_good(text: str) -> bool:
    try:
        tokens.identity_of(text)
    except InvalidToken:
        return False
    return True


def set_row(token: PersonalToken, **values: Any) -> None:
    PersonalToken.objects.filter(pk=token.pk).update(**values)


def last_use_of(token: PersonalToken) -> datetime | None:
    return PersonalToken.objects.get(pk=token.pk).last_used_at


class TestText:
    def test_is_a_mark_and_43_letters_and_digits(self) -> None:
        made = {token_text.make() for _ in range(200)}
        assert len(made) == 200
        assert all(re.fullmatch(r"pq_[0-9A-Za-z]{43}", text) for text in made)
        assert all(token_text.is_well_formed(text) for text in made)

    def test_every_letter_and_digit_comes_up(self) -> None:
        found = {character for _ in range(200) for character in token_text.make()[3:40]}
        assert len(found) == 62

    def test_checksum_stays_as_it_is(self) -> None:
        # Scanners of source code know our tokens by it: CRC-32 in base 62, of what stands before.
        assert token_text.is_well_formed("pq_" + "0" * 37 + "3yqC5j")

    def test_mistyped_token_is_refused_without_asking_the_database(self, alice: User) -> None:
        text = make_token(alice).text
        wrong = "B" if text[10] == "A" else "A"
        mistyped = [f"{text[:10]}{wrong}{text[11:]}", text[:-1], f"{text}A", text[:-1] + "_", f" {text}", text + "\n"]
        with CaptureQueriesContext(connection) as asked:
            assert [each for each in mistyped if is_good(each)] == []
        assert len(asked) == 0


class TestMaking:
    def test_token_stands_for_its_user_with_its_scopes_until_its_end(self, alice: User) -> None:
        new = make_token(alice, "tasks:work", "tasks:read", expires_in_days=7)
        identity = tokens.identity_of(new.text)
        assert (identity.user, identity.scopes) == (alice, frozenset({"tasks:read", "tasks:work"}))
        assert identity.expires_at == new.token.expires_at
        assert new.token.expires_at - new.token.created_at == timedelta(days=7)
        assert new.token.scopes == ["tasks:read", "tasks:work"]

    def test_it_lasts_90_days_unless_told(self, alice: User) -> None:
        token = make_token(alice).token
        assert token.expires_at - token.created_at == timedelta(days=90)

    def test_its_text_is_kept_nowhere(self, alice: User) -> None:
        text = make_token(alice).text
        with connection.cursor() as cursor:
            cursor.execute("SELECT t::text FROM access_tokens t")
            (row,) = [row for (row,) in cursor.fetchall()]
        assert text not in row
        assert text[9:] not in row
        assert text[:9] in row

    def test_digest_cannot_be_made_without_the_key(self, alice: User, settings: Settings) -> None:
        new = make_token(alice)
        settings.SECRET_KEY = "another key, which is long enough to be one"
        assert token_text.digest_of(new.text) != new.token.digest
        assert not is_good(new.text)

    def test_it_is_shown_by_no_repr(self, alice: User) -> None:
        new = make_token(alice)
        identity = tokens.identity_of(new.text)
        assert new.text not in f"{new!r}{new.token!r}{new.token}{identity!r}"

    @pytest.mark.parametrize("wanted", [(), ("tasks:delete",), ("tasks:read", "any"), ("",), ("tasks",)])
    def test_unknown_scopes_are_refused(self, alice: User, wanted: tuple[str, ...]) -> None:
        with pytest.raises(InvalidInput) as refused:
            personal_tokens.create(actor=alice, name="n", scopes=wanted)
        assert [error.field for error in refused.value.errors] == ["scopes"]

    @pytest.mark.parametrize("days", [0, -1, 367])
    def test_no_token_lasts_longer_than_a_year(self, alice: User, days: int) -> None:
        with pytest.raises(InvalidInput):
            make_token(alice, expires_in_days=days)

    def test_a_year_is_allowed(self, alice: User) -> None:
        assert is_good(make_token(alice, expires_in_days=366).text)

    def test_name_is_taken_while_its_token_lives(self, alice: User) -> None:
        first = make_token(alice, name="laptop")
        make_token(make_user("bob"), name="laptop")
        with pytest.raises(NameTaken):
            make_token(alice, name="laptop")
        personal_tokens.revoke(actor=alice, token=first.token)
        assert is_good(make_token(alice, name="laptop").text)

    def test_expired_token_keeps_its_name_from_nobody(self, alice: User) -> None:
        first = make_token(alice, name="laptop")
        end = timezone.now() - timedelta(hours=1)
        set_row(first.token, created_at=end - timedelta(days=1), expires_at=end)
        make_token(alice, name="laptop")
        first.token.refresh_from_db()
        assert (first.token.state, first.token.revoked_at, first.token.revoked_reason) == ("expired", end, "expired")

    def test_only_live_tokens_count(self, alice: User, settings: Settings) -> None:
        settings.PERSONALQ_TOKENS_PER_USER = 1
        personal_tokens.revoke(actor=alice, token=make_token(alice).token)
        second = make_token(alice)
        past = timezone.now() - timedelta(days=2)
        set_row(second.token, created_at=past, expires_at=past + timedelta(days=1))
        assert is_good(make_token(alice).text)

    def test_who_was_signed_out_everywhere_meanwhile_gets_none(self, alice: User) -> None:
        # What the request of a thief holds in memory while its victim ends everything.
        stale = User.objects.get(pk=alice.pk)
        tokens.sign_out_everywhere(alice, "operator")
        with pytest.raises(NotAuthenticated):
            make_token(stale)
        assert not PersonalToken.objects.exists()


class TestDatabase:
    @pytest.mark.parametrize(
        ("values", "constraint"),
        [
            ({"scopes": []}, "access_token_scopes_are_known"),
            ({"scopes": ["tasks:read", "root"]}, "access_token_scopes_are_known"),
            ({"digest": "pq_" + "A" * 43}, "access_token_is_digested"),
            ({"prefix": "pq_ABCDE_"}, "access_token_prefix_is_short"),
            ({"revoked_at": timezone.now()}, "access_token_revocation_has_reason"),
            ({"revoked_reason": "owner"}, "access_token_revocation_has_reason"),
            ({"expires_at": timezone.now() + timedelta(days=400)}, "access_token_ends"),
            ({"expires_at": timezone.now() - timedelta(days=400)}, "access_token_ends"),
        ],
    )
    def test_refuses_what_no_token_may_be(self, alice: User, values: dict[str, Any], constraint: str) -> None:
        token = make_token(alice).token
        with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
            set_row(token, **values)

    def test_two_live_tokens_of_one_name_cannot_be(self, alice: User) -> None:
        make_token(alice, name="a")
        other = make_token(alice, name="b").token
        with pytest.raises(IntegrityError, match="access_token_name_unique_per_user"), transaction.atomic():
            set_row(other, name="a")

    def test_tokens_go_with_their_user(self, alice: User) -> None:
        text = make_token(alice).text
        alice.delete()
        assert not is_good(text)
        assert not PersonalToken.objects.exists()


def revoke(token: PersonalToken) -> None:
    personal_tokens.revoke(actor=token.user, token=token)


def expire(token: PersonalToken) -> None:
    set_row(token, created_at=timezone.now() - timedelta(days=9), expires_at=timezone.now())


def deactivate(token: PersonalToken) -> None:
    User.objects.filter(pk=token.user_id).update(is_active=False)


def sign_out_everywhere(token: PersonalToken) -> None:
    tokens.sign_out_everywhere(token.user, "operator")


ENDINGS: list[Callable[[PersonalToken], None]] = [revoke, expire, deactivate, sign_out_everywhere]


class TestEnding:
    @pytest.mark.parametrize("end", ENDINGS)
    def test_ends_the_token_and_its_sockets_at_once(
        self, client: SecureClient, alice: User, end: Callable[[PersonalToken], None]
    ) -> None:
        new = make_token(alice)
        standing = tokens.identity_of(new.text).standing
        assert tokens.still_valid([standing]) == {standing}
        assert client.me(new.text).status_code == 200
        end(new.token)
        assert not is_good(new.text)
        assert tokens.still_valid([standing]) == set()
        answer = client.me(new.text)
        assert (answer.status_code, answer.json()["code"], answer["WWW-Authenticate"]) == (
            401, "invalid_token", "Bearer",
        )  # fmt: skip

    def test_nothing_tells_one_ending_from_another(self, client: SecureClient, alice: User) -> None:
        bodies = []
        for end in (revoke, expire, sign_out_everywhere):
            new = make_token(User.objects.get(pk=alice.pk))
            end(new.token)
            bodies.append(client.me(new.text).json())
        bodies.append(client.me(token_text.make()).json())
        for body in bodies:
            del body["request_id"]
        assert all(body == bodies[0] for body in bodies)

    def test_new_password_leaves_programs_alone(self, alice: User) -> None:
        text = make_token(alice).text
        pair = tokens.issue_pair(alice)
        alice.set_password(f"another {PASSWORD}")
        alice.save()
        assert (is_good(text), is_good(pair.access)) == (True, False)

    def test_deactivation_by_an_operator_is_for_ever(self, at_admin: SecureClient, alice: User) -> None:
        new = make_token(alice)
        form = {"username": "alice", "date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
        at_admin.post(f"/admin/accounts/user/{alice.pk}/change/", form)
        alice.refresh_from_db()
        assert not alice.is_active
        User.objects.filter(pk=alice.pk).update(is_active=True)
        assert not is_good(new.text)
        new.token.refresh_from_db()
        assert new.token.revoked_reason == "deactivated"

    def test_first_reason_stays(self, alice: User, operator: User) -> None:
        token = make_token(alice).token
        first = personal_tokens.revoke(actor=operator, token=token).revoked_at
        again = personal_tokens.revoke(actor=alice, token=token)
        assert (again.revoked_at, again.revoked_reason) == (first, "operator")

    def test_other_tokens_go_on(self, alice: User) -> None:
        first, second = make_token(alice), make_token(alice)
        revoke(first.token)
        assert is_good(second.text)

    def test_rows_stay_for_90_days(self, alice: User) -> None:
        ended = timezone.now() - timedelta(days=89)
        kept, forgotten, live = make_token(alice).token, make_token(alice).token, make_token(alice).token
        set_row(kept, revoked_at=ended, revoked_reason="owner")
        set_row(forgotten, revoked_at=ended - timedelta(days=2), revoked_reason="owner")
        jobs.prune()
        assert set(PersonalToken.objects.all()) == {kept, live}
        set_row(live, created_at=ended - timedelta(days=12), expires_at=ended - timedelta(days=2))
        jobs.prune()
        assert set(PersonalToken.objects.all()) == {kept}


class TestKinds:
    def test_standings_of_both_kinds_are_judged_together(self, alice: User) -> None:
        mine, signed = tokens.identity_of(make_token(alice).text), tokens.identity_of(tokens.issue_pair(alice).access)
        wanted = {mine.standing, signed.standing}
        assert tokens.still_valid(wanted) == wanted
        assert signed.scopes is None

    def test_standing_of_one_kind_is_not_taken_for_the_other(self, alice: User) -> None:
        mine, signed = tokens.identity_of(make_token(alice).text), tokens.identity_of(tokens.issue_pair(alice).access)
        crossed = {
            (alice.pk, mine.standing[1], signed.standing[2]),
            (alice.pk, signed.standing[1], mine.standing[2]),
            (alice.pk + 1, *mine.standing[1:]),
        }
        assert tokens.still_valid(crossed) == set()

    def test_personal_token_refreshes_nothing(self, client: SecureClient, alice: User) -> None:
        text = make_token(alice).text
        for route in ("refresh", "logout"):
            answer = client.send(f"/api/v1/auth/{route}", {"refresh": text})
            assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
        assert is_good(text)

    def test_personal_token_is_no_password(self, client: SecureClient, alice: User) -> None:
        answer = client.send("/api/v1/auth/token", {"username": "alice", "password": make_token(alice).text})
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credentials")

    def test_id_or_digest_of_a_token_opens_nothing(self, alice: User) -> None:
        token = make_token(alice).token
        assert [
            each for each in (str(token.uuid), token.digest, f"pq_{token.digest}", token.prefix) if is_good(each)
        ] == []


class TestUse:
    def test_is_noted_to_the_minute(self, alice: User) -> None:
        new = make_token(alice)
        assert last_use_of(new.token) is None
        tokens.identity_of(new.text)
        first = last_use_of(new.token)
        assert first is not None
        assert timezone.now() - first < timedelta(minutes=1)
        with CaptureQueriesContext(connection) as asked:
            tokens.identity_of(new.text)
        assert len(asked) == 1
        set_row(new.token, last_used_at=first - timedelta(seconds=61))
        tokens.identity_of(new.text)
        again = last_use_of(new.token)
        assert again is not None
        assert again >= first

    def test_goes_on_when_it_cannot_be_noted(
        self, alice: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        new = make_token(alice)

        def fail(_: PersonalToken) -> None:
            raise DatabaseError(f"cannot write {new.text}")

        monkeypatch.setattr(personal_tokens, "_write_use", fail)
        assert tokens.identity_of(new.text).user == alice
        assert "was not noted" in caplog.text
        assert new.text not in caplog.text
