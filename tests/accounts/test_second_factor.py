"""Setting up a second factor, and signing in with it."""

import re
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pyotp
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from accounts import second_factor, tokens
from accounts.models import AuditEvent, RecoveryCode, SecondFactor, TokenFamily, User
from accounts.second_factor import changes, recovery_codes, totp
from accounts.session_store import SessionStore
from accounts.tokens import personal_tokens
from personalq.lib import sealing
from personalq.lib.errors import InvalidToken
from tests.accounts.clients import SecureClient, sign_in
from tests.accounts.factors import Factor, make_factor
from tests.makers import PASSWORD, make_operator, make_token, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.security]

PAGE = "/account/second-factor"
NOW = 60_000_000


@pytest.fixture(autouse=True)
def _still_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accounts.second_factor.totp.step_now", lambda: NOW)


@pytest.fixture
def factor(alice: User) -> Factor:
    return make_factor(alice)


def kinds() -> list[str]:
    return list(AuditEvent.objects.order_by("id").values_list("kind", flat=True))


def token(client: SecureClient, **more: str) -> Any:
    return client.send("/api/v1/auth/token", {"username": "alice", "password": PASSWORD, **more})


def secret_on(page: str) -> str:
    found = re.search(r'id="secret-text">([A-Z2-7 ]+)<', page)
    assert found is not None
    return found[1].replace(" ", "")


def codes_on(page: str) -> list[str]:
    return re.findall(r"<li><code>([a-z2-7-]{34})</code></li>", page)


class TestCodes:
    def test_rfc_6238_vector(self) -> None:
        # Appendix B, SHA-1, the last six of its eight digits.
        secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
        assert [totp.code_at(secret, at // 30) for at in (59, 1111111109, 2000000000)] == ["287082", "081804", "279037"]

    @pytest.mark.parametrize(("steps", "is_taken"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
    def test_window_is_one_step_to_either_side(self, factor: Factor, steps: int, is_taken: object) -> None:
        found = totp.matching_step(factor.secret, factor.code(steps=steps), after=0)
        assert found == (NOW + steps if is_taken else None)

    def test_neither_the_same_nor_an_older_step_is_taken_again(self, factor: Factor) -> None:
        assert totp.matching_step(factor.secret, factor.code(), after=NOW) is None
        assert totp.matching_step(factor.secret, factor.code(steps=-1), after=NOW) is None

    @pytest.mark.parametrize("text", ["", "12345", "1234567", "12345a", "١٢٣٤٥٦", "None", "é" * 6, "\ud800" * 6])
    def test_what_has_another_form_is_wrong(self, factor: Factor, text: str) -> None:
        assert totp.matching_step(factor.secret, text, after=0) is None

    def test_recovery_codes_have_140_random_bits_and_are_kept_as_keyed_hashes(self, factor: Factor) -> None:
        assert len(set(factor.paper)) == recovery_codes.COUNT
        assert all(re.fullmatch(r"(?:[a-z2-7]{4}-){6}[a-z2-7]{4}", each) for each in factor.paper)
        kept = set(RecoveryCode.objects.values_list("digest", flat=True))
        assert kept == {recovery_codes.digest_of(factor.row, each) for each in factor.paper}

    def test_recovery_codes_of_the_shorter_form_are_still_good(self, factor: Factor) -> None:
        older = "abcd-efgh-ijkl-mn27"
        RecoveryCode.objects.create(factor=factor.row, digest=recovery_codes.digest_of(factor.row, older))
        assert recovery_codes.use(factor.row, older.upper().replace("-", " "))
        assert not recovery_codes.use(factor.row, older)

    def test_recovery_code_of_somebody_else_is_worth_nothing(self, factor: Factor, bob: User) -> None:
        assert not recovery_codes.use(make_factor(bob).row, factor.paper[0])
        assert recovery_codes.use(factor.row, factor.paper[0])


class TestSettingUp:
    def begin(self, client: SecureClient, password: str = PASSWORD) -> Any:
        return client.post(f"{PAGE}/begin", {"password": password})

    def test_from_the_password_to_the_recovery_codes(self, signed_in: SecureClient, alice: User) -> None:
        page = self.begin(signed_in).content.decode()
        secret = secret_on(page)
        assert 'src="data:image/svg+xml' in page
        assert not second_factor.is_on(alice)
        done = signed_in.post(f"{PAGE}/confirm", {"code": totp.code_at(secret, NOW)})
        assert (done.status_code, len(codes_on(done.content.decode()))) == (200, 10)
        assert second_factor.is_on(alice)
        assert kinds()[-1] == "second_factor.on"

    def test_secret_is_sealed_and_bound_to_its_row(self, signed_in: SecureClient, alice: User) -> None:
        secret = secret_on(self.begin(signed_in).content.decode())
        row = SecondFactor.objects.get(user=alice)
        assert secret not in row.secret
        assert sealing.unseal(row.secret, context=f"second_factors.secret.{row.uuid}") == secret
        assert len(secret) == 32

    def test_picture_and_text_say_the_same_to_the_app(self, alice: User, rf: Any) -> None:
        begun = changes.begin(rf.post("/"), actor=alice, password=PASSWORD)
        parts = urlsplit(begun.address)
        asked = parse_qs(parts.query)
        assert (parts.scheme, parts.netloc, unquote(parts.path)) == ("otpauth", "totp", "/Personal-Q:alice")
        assert (asked["secret"], asked["issuer"]) == ([begun.secret], ["Personal-Q"])
        assert begun.secret not in repr(begun)
        assert pyotp.parse_uri(begun.address).secret == begun.secret

    def test_it_needs_the_password(self, signed_in: SecureClient, alice: User) -> None:
        answer = self.begin(signed_in, "wrong")
        assert (answer.status_code, SecondFactor.objects.count()) == (400, 0)
        assert "not your present password" in answer.content.decode()
        self.expect_denied(alice, "wrong_password")

    def test_wrong_first_code_turns_nothing_on_and_shows_the_secret_again(
        self, signed_in: SecureClient, alice: User
    ) -> None:
        secret = secret_on(self.begin(signed_in).content.decode())
        answer = signed_in.post(f"{PAGE}/confirm", {"code": "000000"})
        page = answer.content.decode()
        assert (answer.status_code, secret_on(page)) == (401, secret)
        assert 'src="data:image/svg+xml' in page
        assert "recovery code" not in page
        assert not second_factor.is_on(alice)
        assert secret not in str(dict(signed_in.session.items()))
        self.expect_denied(alice, "wrong_code")

    def test_other_browser_of_the_same_account_is_not_shown_the_secret(
        self, signed_in: SecureClient, alice: User
    ) -> None:
        other = SecureClient()
        other.force_login(alice)
        secret = secret_on(self.begin(signed_in).content.decode())
        answer = other.post(f"{PAGE}/confirm", {"code": "000000"})
        assert answer.status_code == 401
        assert secret not in answer.content.decode().replace(" ", "")

    def test_ten_minutes_after_the_password_the_secret_is_shown_no_more(
        self, signed_in: SecureClient, alice: User
    ) -> None:
        secret = secret_on(self.begin(signed_in).content.decode())
        SecondFactor.objects.update(created_at=timezone.now() - changes.SHOWN_FOR)
        answer = signed_in.post(f"{PAGE}/confirm", {"code": "000000"})
        assert answer.status_code == 401
        assert secret not in answer.content.decode().replace(" ", "")

    def test_secret_that_is_on_is_shown_no_more(self, signed_in: SecureClient, alice: User) -> None:
        secret = secret_on(self.begin(signed_in).content.decode())
        row = SecondFactor.objects.get()
        assert changes.begun(actor=alice, uuid=row.uuid) is not None
        signed_in.post(f"{PAGE}/confirm", {"code": totp.code_at(secret, NOW)})
        assert changes.begun(actor=alice, uuid=row.uuid) is None

    def expect_denied(self, owner: User, reason: str) -> None:
        event = AuditEvent.objects.get(kind="second_factor.on")
        assert (event.outcome, event.actor_uuid, event.facts) == ("denied", owner.uuid, {"reason": reason})

    def test_beginning_again_replaces_what_was_not_confirmed(self, signed_in: SecureClient, alice: User) -> None:
        first = secret_on(self.begin(signed_in).content.decode())
        second = secret_on(self.begin(signed_in).content.decode())
        assert signed_in.post(f"{PAGE}/confirm", {"code": totp.code_at(first, NOW)}).status_code == 401
        assert signed_in.post(f"{PAGE}/confirm", {"code": totp.code_at(second, NOW)}).status_code == 200

    def test_one_that_is_on_cannot_be_replaced(self, signed_in: SecureClient, factor: Factor) -> None:
        assert self.begin(signed_in).status_code == 409
        assert signed_in.post(f"{PAGE}/confirm", {"code": factor.code()}).status_code == 409
        assert SecondFactor.objects.get().secret == factor.row.secret

    def test_nothing_was_begun(self, signed_in: SecureClient) -> None:
        assert signed_in.post(f"{PAGE}/confirm", {"code": "123456"}).status_code == 409

    def test_turning_it_on_ends_the_other_sign_ins_and_not_this_one(self, signed_in: SecureClient, alice: User) -> None:
        other, pair, own = SecureClient(), tokens.issue_pair(alice), make_token(alice)
        other.force_login(alice)
        secret = secret_on(self.begin(signed_in).content.decode())
        signed_in.post(f"{PAGE}/confirm", {"code": totp.code_at(secret, NOW)})
        assert signed_in.get("/api/v1/me").status_code == 200
        assert other.get("/api/v1/me").status_code == 401
        with pytest.raises(InvalidToken):
            tokens.identity_of(pair.access)
        assert tokens.identity_of(own.text).user == alice
        assert TokenFamily.objects.live().get().kind == TokenFamily.Kind.PAGE

    def test_the_first_code_does_not_sign_in_as_well(self, signed_in: SecureClient, client: SecureClient) -> None:
        secret = secret_on(self.begin(signed_in).content.decode())
        code = totp.code_at(secret, NOW)
        signed_in.post(f"{PAGE}/confirm", {"code": code})
        assert token(client, code=code).json()["code"] == "invalid_credentials"


class TestSigningInAtThePage:
    def test_password_alone_signs_nobody_in(self, client: SecureClient, factor: Factor) -> None:
        answer = sign_in(client, "alice", PASSWORD)
        assert (answer.status_code, answer["Location"]) == (302, "/sign-in/code")
        assert client.get("/api/v1/me").status_code == 401
        assert TokenFamily.objects.count() == 0

    def test_code_leads_to_where_one_wanted_to_go(self, client: SecureClient, factor: Factor) -> None:
        sign_in(client, "alice", PASSWORD, QUERY_STRING="next=/tasks")
        assert client.get("/sign-in/code").status_code == 200
        answer = client.post("/sign-in/code", {"code": factor.code()})
        assert (answer.status_code, answer["Location"]) == (302, "/tasks")
        assert client.get("/api/v1/me").json()["username"] == "alice"
        assert client.session.get_expiry_age() > 13 * 24 * 3600

    @pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example"])
    def test_nobody_is_sent_elsewhere(self, client: SecureClient, factor: Factor, target: str) -> None:
        client.post("/sign-in", {"username": "alice", "password": PASSWORD, "next": target})
        assert client.post("/sign-in/code", {"code": factor.code()})["Location"] == "/"

    def test_wrong_code_is_401_and_in_the_trail(self, client: SecureClient, factor: Factor, alice: User) -> None:
        sign_in(client, "alice", PASSWORD)
        answer = client.post("/sign-in/code", {"code": "000000"})
        assert answer.status_code == 401
        assert client.get("/api/v1/me").status_code == 401
        event = AuditEvent.objects.get(kind="sign_in.second_factor_failed")
        assert (event.outcome, event.actor_uuid, event.object_uuid) == ("denied", alice.uuid, alice.uuid)

    def test_code_works_once(self, client: SecureClient, factor: Factor) -> None:
        sign_in(client, "alice", PASSWORD)
        assert client.post("/sign-in/code", {"code": factor.code()}).status_code == 302
        other = SecureClient()
        sign_in(other, "alice", PASSWORD)
        assert other.post("/sign-in/code", {"code": factor.code()}).status_code == 401
        assert other.post("/sign-in/code", {"code": factor.code(steps=1)}).status_code == 302

    @pytest.mark.parametrize("spelled", [str, str.upper, lambda text: text.replace("-", " "), lambda text: f" {text} "])
    def test_recovery_code_works_once_however_it_is_spelled(
        self, client: SecureClient, factor: Factor, spelled: Any
    ) -> None:
        assert token(client, code=spelled(factor.paper[3])).status_code == 200
        assert token(client, code=factor.paper[3]).status_code == 401
        assert AuditEvent.objects.get(kind="recovery_code.used").facts == {"left": 9}

    def test_code_without_the_password_step_leads_back(self, client: SecureClient, factor: Factor) -> None:
        answer = client.post("/sign-in/code", {"code": factor.code()})
        assert (answer.status_code, answer["Location"]) == (302, "/sign-in")
        assert client.get("/api/v1/me").status_code == 401

    def test_password_step_is_good_for_five_minutes(
        self, client: SecureClient, factor: Factor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sign_in(client, "alice", PASSWORD)
        then = timezone.now().timestamp() + 301
        monkeypatch.setattr("accounts.sign_in.pending.time.time", lambda: then)
        assert client.post("/sign-in/code", {"code": factor.code()})["Location"] == "/sign-in"

    @pytest.mark.parametrize("what", ["password", "is_active", "session_epoch"])
    def test_password_step_ends_with_what_it_stood_on(
        self, client: SecureClient, factor: Factor, alice: User, what: str
    ) -> None:
        sign_in(client, "alice", PASSWORD)
        User.objects.filter(pk=alice.pk).update(
            **{what: {"password": "x", "is_active": False, "session_epoch": 9}[what]}
        )
        assert client.post("/sign-in/code", {"code": factor.code()})["Location"] == "/sign-in"

    def test_session_key_changes_at_both_steps(self, client: SecureClient, factor: Factor) -> None:
        sign_in(client, "alice", PASSWORD)
        between = str(client.session.session_key)
        client.post("/sign-in/code", {"code": factor.code()})
        assert client.session.session_key != between
        assert not SessionStore().exists(between)

    def test_form_is_known_to_apps_that_fill_codes_in(self, client: SecureClient, factor: Factor) -> None:
        sign_in(client, "alice", PASSWORD)
        page = client.get("/sign-in/code")
        assert 'autocomplete="one-time-code"' in page.content.decode()
        assert "no-store" in page["Cache-Control"]

    def test_other_methods_are_refused(self, client: SecureClient) -> None:
        assert client.put("/sign-in/code").status_code == 405


class TestSigningInByTheApi:
    def test_missing_code_is_named_only_after_the_right_password(self, client: SecureClient, factor: Factor) -> None:
        answer = token(client)
        assert (answer.status_code, answer.json()["code"]) == (401, "second_factor_required")
        wrong = client.send("/api/v1/auth/token", {"username": "alice", "password": "wrong"})
        assert wrong.json()["code"] == "invalid_credentials"

    def test_code_that_is_right_opens(self, client: SecureClient, factor: Factor) -> None:
        answer = token(client, code=factor.code())
        assert client.me(answer.json()["access"]).status_code == 200

    def test_wrong_code_is_invalid_credentials(self, client: SecureClient, factor: Factor) -> None:
        answer = token(client, code="000000")
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credentials")

    def test_code_with_a_wrong_password_is_not_looked_at(self, client: SecureClient, factor: Factor) -> None:
        body = {"username": "alice", "password": "wrong", "code": factor.code()}
        assert client.send("/api/v1/auth/token", body).status_code == 401
        assert token(client, code=factor.code()).status_code == 200

    def test_account_without_a_factor_needs_none(self, client: SecureClient, alice: User) -> None:
        assert token(client).status_code == 200
        assert token(client, code="123456").status_code == 200


class TestLimits:
    def test_codes_are_limited_per_user_and_address(
        self, client: SecureClient, factor: Factor, settings: Settings
    ) -> None:
        settings.PERSONALQ_RATE_SECOND_FACTOR = "3/h"
        assert [token(client, code="000000").status_code for _ in range(4)] == [401, 401, 401, 429]
        right = token(client, code=factor.code())
        assert (right.status_code, int(right["Retry-After"]) > 0, "RateLimit" in right) == (429, True, True)
        assert token(SecureClient(REMOTE_ADDR="9.9.9.9"), code=factor.code()).status_code == 200

    def test_page_says_how_long_to_wait(self, client: SecureClient, factor: Factor, settings: Settings) -> None:
        settings.PERSONALQ_RATE_SECOND_FACTOR = "1/h"
        sign_in(client, "alice", PASSWORD)
        client.post("/sign-in/code", {"code": "000000"})
        answer = client.post("/sign-in/code", {"code": factor.code()})
        assert (answer.status_code, "Retry-After" in answer) == (429, True)
        assert "Try again in" in answer.content.decode()

    def test_stranger_without_the_password_uses_up_no_attempt(
        self, client: SecureClient, factor: Factor, settings: Settings
    ) -> None:
        settings.PERSONALQ_RATE_SECOND_FACTOR = "1/h"
        for _ in range(5):
            client.send("/api/v1/auth/token", {"username": "alice", "password": "wrong", "code": "000000"})
            client.post("/sign-in/code", {"code": "000000"})
        assert token(client, code=factor.code()).status_code == 200

    def test_every_wrong_code_counts_also_of_one_network(
        self, client: SecureClient, factor: Factor, settings: Settings
    ) -> None:
        settings.PERSONALQ_RATE_SECOND_FACTOR_ACCOUNT = "30/h"
        settings.PERSONALQ_RATE_SECOND_FACTOR = "100/h"
        one = [SecureClient(REMOTE_ADDR=f"2001:db8:1:{number}::1") for number in range(4)]
        answers = [token(one[turn % 4], code="000000").status_code for turn in range(31)]
        assert answers == [401] * 30 + [429]
        assert token(SecureClient(REMOTE_ADDR="8.8.8.8"), code=factor.code()).status_code == 429

    def test_who_has_the_password_and_many_addresses_does_not_shut_the_owner_out(
        self, client: SecureClient, factor: Factor, settings: Settings
    ) -> None:
        settings.PERSONALQ_RATE_SECOND_FACTOR_ACCOUNT = "3/h"
        assert token(client, code=factor.code()).status_code == 200
        tries = [token(SecureClient(REMOTE_ADDR=f"9.9.9.{n}"), code="000000").status_code for n in range(5)]
        assert tries == [401, 401, 401, 429, 429]
        assert token(SecureClient(REMOTE_ADDR="8.8.8.8"), code=factor.code(steps=1)).status_code == 429
        assert token(client, code=factor.code(steps=1)).status_code == 200


class TestTurningOff:
    def off(self, client: SecureClient, password: str, code: str) -> Any:
        return client.post(f"{PAGE}/off", {"off-password": password, "off-code": code})

    def test_it_needs_the_password_and_a_code(self, signed_in: SecureClient, factor: Factor, alice: User) -> None:
        assert self.off(signed_in, "wrong", factor.code()).status_code == 400
        assert self.off(signed_in, PASSWORD, "000000").status_code == 400
        assert second_factor.is_on(alice)
        assert self.off(signed_in, PASSWORD, factor.code()).status_code == 302
        assert not second_factor.is_on(alice)
        assert RecoveryCode.objects.count() == 0
        assert kinds()[-1] == "second_factor.off"

    def test_new_recovery_codes_need_both_and_end_the_old_ones(
        self, signed_in: SecureClient, factor: Factor, client: SecureClient
    ) -> None:
        both = {"codes-password": PASSWORD, "codes-code": factor.code()}
        assert signed_in.post(f"{PAGE}/codes", {**both, "codes-password": "wrong"}).status_code == 400
        assert signed_in.post(f"{PAGE}/codes", {**both, "codes-code": "000000"}).status_code == 400
        fresh = codes_on(signed_in.post(f"{PAGE}/codes", both).content.decode())
        assert len(fresh) == 10
        assert token(client, code=factor.paper[0]).status_code == 401
        assert token(client, code=fresh[0]).status_code == 200
        assert "recovery_code.renewed" in kinds()

    @pytest.mark.parametrize("what", ["off", "codes"])
    def test_without_a_factor_there_is_nothing_to_do(self, signed_in: SecureClient, what: str) -> None:
        body = {f"{what}-password": PASSWORD, f"{what}-code": "123456"}
        assert signed_in.post(f"{PAGE}/{what}", body).status_code == 409

    def test_page_warns_when_few_codes_are_left(self, signed_in: SecureClient, factor: Factor) -> None:
        assert "10 recovery codes left" in signed_in.get(PAGE).content.decode()
        RecoveryCode.objects.exclude(pk__in=RecoveryCode.objects.values("pk")[:2]).update(used_at=timezone.now())
        assert "Make new ones now" in signed_in.get(PAGE).content.decode()


class TestTakingAway:
    ADMIN = "/admin/accounts/secondfactor/"

    def act(self, client: SecureClient, factor: Factor) -> Any:
        return client.post(self.ADMIN, {"action": "remove", "_selected_action": [str(factor.row.pk)]})

    def test_superuser_takes_one_away_which_ends_the_sign_ins(
        self, at_admin: SecureClient, factor: Factor, alice: User, operator: User
    ) -> None:
        pair = tokens.issue_pair(alice)
        assert self.act(at_admin, factor).status_code == 302
        assert not second_factor.is_on(alice)
        with pytest.raises(InvalidToken):
            tokens.identity_of(pair.access)
        event = AuditEvent.objects.get(kind="second_factor.removed")
        assert (event.actor_uuid, event.owner_uuid) == (operator.uuid, alice.uuid)

    def test_operator_who_is_no_superuser_cannot(self, factor: Factor, alice: User) -> None:
        helper = make_user("helper", is_staff=True)
        helper.user_permissions.set(permissions_on_factors())
        client = SecureClient()
        client.force_login(helper)
        self.act(client, factor)
        assert second_factor.is_on(alice)

    def test_admin_shows_no_secret(self, at_admin: SecureClient, factor: Factor) -> None:
        pages = [
            at_admin.get(self.ADMIN),
            at_admin.get(f"{self.ADMIN}{factor.row.pk}/change/"),
            at_admin.get("/admin/accounts/recoverycode/"),
            at_admin.get(f"{self.ADMIN}?secret__startswith=v1"),
        ]
        digests = list(RecoveryCode.objects.values_list("digest", flat=True))
        for page in pages:
            text = page.content.decode()
            assert [each for each in (factor.secret, factor.row.secret, *digests) if each in text] == []

    def test_command_takes_it_from_the_last_operator(self, capsys: pytest.CaptureFixture[str]) -> None:
        olga = make_operator("olga")
        make_factor(olga)
        call_command("remove_second_factor", "olga")
        assert not second_factor.is_on(olga)
        event = AuditEvent.objects.get(kind="second_factor.removed")
        assert (event.actor_uuid, event.owner_uuid) == (None, olga.uuid)

    @pytest.mark.parametrize("name", ["alice", "nobody"])
    def test_command_says_when_there_is_none(self, alice: User, name: str) -> None:
        with pytest.raises(CommandError):
            call_command("remove_second_factor", name)


def permissions_on_factors() -> Any:
    from django.contrib.auth.models import Permission  # noqa: PLC0415

    return Permission.objects.filter(content_type__model="secondfactor")


def test_personal_token_made_before_goes_on(alice: User, factor: Factor) -> None:
    assert personal_tokens.identity_of(make_token(alice).text).user == alice
