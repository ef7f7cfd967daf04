"""The only way to an account: who invites, what an invitation is worth, and that there is no other way in."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone
from pytest_django import Settings

from accounts import invitations, tokens
from accounts.models import AuditEvent, OneTimeCode, User
from personalq.lib.errors import PermissionDenied
from tests.access.matrix import API, LED, MATRIX
from tests.accounts.clients import SecureClient, sign_in
from tests.accounts.letters import PUBLIC_URL, code_of, link_of, post_office
from tests.makers import make_token, make_user
from tests.wire.smtp_server import SmtpServer

pytestmark = [pytest.mark.django_db, pytest.mark.security]

EMAIL = "grace@post.example.net"
PASSWORD = "quite another ordinary sentence"


@pytest.fixture
def post(settings: Settings) -> Iterator[SmtpServer]:
    with post_office(settings) as server:
        yield server


@pytest.fixture
def helper(db: Any) -> User:
    """An operator who may add users and is no superuser."""
    user = make_user("helper", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="add_user"))
    return User.objects.get(pk=user.pk)


def code_by(actor: User, **fields: Any) -> str:
    link = invitations.make(actor=actor, **{"email": EMAIL, **fields}).link
    return link.partition("#")[2].partition(".")[0]


def accept(client: SecureClient, code: str, username: str = "grace", password: str = PASSWORD, **more: Any) -> Any:
    form = {"code": code, "username": username, "password": password, "again": password, **more}
    return client.post("/invitation", form)


class Api:
    """An operator's program."""

    def __init__(self, actor: User) -> None:
        self.client = SecureClient()
        self.headers = {"Authorization": f"Bearer {tokens.issue_pair(actor).access}"}

    def make(self, body: Any = None, **headers: str) -> Any:
        wanted = {"email": EMAIL} if body is None else body
        return self.client.send("/api/v1/invitations", wanted, headers={**self.headers, **headers})

    def get(self, path: str = "") -> Any:
        return self.client.get(f"/api/v1/invitations{path}", headers=self.headers)

    def delete(self, uuid: str) -> Any:
        return self.client.delete(f"/api/v1/invitations/{uuid}", headers=self.headers)


class TestAccepting:
    def test_an_account_is_made_and_nobody_signed_in(self, client: SecureClient, operator: User) -> None:
        answer = accept(client, code_by(operator))
        assert (answer.status_code, answer["Location"]) == (302, "/sign-in")
        assert client.get("/api/v1/me").status_code == 401
        grace = User.objects.get(username="grace")
        assert (grace.email, grace.is_staff, grace.is_superuser, grace.is_active) == (EMAIL, False, False, True)
        assert sign_in(client, "grace", PASSWORD).status_code == 302

    def test_an_invitation_is_good_once(self, client: SecureClient, operator: User) -> None:
        code = code_by(operator)
        assert accept(client, code).status_code == 302
        assert accept(client, code, "another").status_code == 403
        assert not User.objects.filter(username="another").exists()

    def test_an_invitation_ends_after_seven_days(self, client: SecureClient, operator: User) -> None:
        code = code_by(operator)
        row = OneTimeCode.objects.get()
        assert row.expires_at - row.created_at <= timedelta(days=7, seconds=1)
        OneTimeCode.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        assert accept(client, code).status_code == 403

    @pytest.mark.parametrize("code", ["", "wrong", "2222-2222-2222-2222-2222-2222-2222"])
    def test_without_an_invitation_there_is_no_account(self, client: SecureClient, operator: User, code: str) -> None:
        before = User.objects.count()
        assert accept(client, code).status_code in {400, 403}
        assert User.objects.count() == before

    def test_a_withdrawn_one_opens_nothing(self, client: SecureClient, operator: User) -> None:
        code = code_by(operator)
        invitations.withdraw(actor=operator, invitation=OneTimeCode.objects.get())
        assert accept(client, code).status_code == 403

    @pytest.mark.parametrize("change", [{"is_active": False}, {"is_staff": False}, None])
    def test_it_is_worth_what_its_maker_may(self, client: SecureClient, helper: User, change: Any) -> None:
        code = code_by(helper)
        if change is None:
            helper.user_permissions.clear()
        else:
            User.objects.filter(pk=helper.pk).update(**change)
        assert accept(client, code).status_code == 403

    def test_it_ends_with_its_maker(self, client: SecureClient, helper: User) -> None:
        code = code_by(helper)
        helper.delete()
        assert accept(client, code).status_code == 403

    def test_an_operators_invitation_needs_a_superuser_to_the_end(self, client: SecureClient, operator: User) -> None:
        code = code_by(operator, is_staff=True)
        operator.user_permissions.add(Permission.objects.get(codename="add_user"))
        User.objects.filter(pk=operator.pk).update(is_superuser=False)
        assert accept(client, code).status_code == 403
        User.objects.filter(pk=operator.pk).update(is_superuser=True)
        assert accept(client, code).status_code == 302
        grace = User.objects.get(username="grace")
        assert (grace.is_staff, grace.is_superuser) == (True, False)

    @pytest.mark.parametrize("field", ["is_staff", "is_superuser", "email", "is_operator"])
    def test_whoever_is_invited_cannot_say_more_than_name_and_password(
        self, client: SecureClient, operator: User, field: str
    ) -> None:
        accept(client, code_by(operator), **{field: "true"})
        grace = User.objects.get(username="grace")
        assert (grace.email, grace.is_staff, grace.is_superuser) == (EMAIL, False, False)

    def test_a_name_that_was_given_is_the_only_one(self, client: SecureClient, operator: User) -> None:
        code = code_by(operator, username="hopper")
        answer = accept(client, code, "grace")
        assert answer.status_code == 400
        assert "for the user name hopper" in answer.content.decode()
        assert accept(client, code, "hopper").status_code == 302

    @pytest.mark.parametrize("name", ["alice", "ALICE", "Alice", "ａlice"])
    def test_a_name_that_looks_like_somebody_elses_is_taken(
        self, client: SecureClient, operator: User, alice: User, name: str
    ) -> None:
        code = code_by(operator)
        answer = accept(client, code, name)
        assert answer.status_code == 409
        assert 'id="id_username_error"' in answer.content.decode()
        assert accept(client, code).status_code == 302

    @pytest.mark.parametrize("name", ["a b", "a\nb", "<script>", "x" * 151, ""])
    def test_a_bad_name_is_refused_at_the_field(self, client: SecureClient, operator: User, name: str) -> None:
        answer = accept(client, code_by(operator), name)
        assert answer.status_code == 400
        assert 'id="id_username_error"' in answer.content.decode()

    @pytest.mark.parametrize("password", ["short", "grace@post.example.net", "personalq personalq"])
    def test_a_weak_password_is_refused_and_the_code_stays_good(
        self, client: SecureClient, operator: User, password: str
    ) -> None:
        code = code_by(operator)
        assert accept(client, code, password=password).status_code == 400
        assert accept(client, code).status_code == 302

    @pytest.mark.parametrize(
        ("name", "again", "wrong"),
        [("grace", "other", ["password", "again"]), ("a b", "short", ["username", "password"])],
    )
    def test_everything_that_is_wrong_is_said_at_once(
        self, client: SecureClient, operator: User, name: str, again: str, wrong: list[str]
    ) -> None:
        answer = accept(client, code_by(operator), name, password="short", again=again)
        shown = answer.content.decode()
        assert [each for each in ("username", "password", "again") if f'id="id_{each}_error"' in shown] == wrong
        assert "at least 15 characters" in shown

    def test_guessing_is_limited_by_address(self, client: SecureClient, settings: Settings, db: Any) -> None:
        settings.PERSONALQ_RATE_CODE = "2/m"
        assert [accept(client, "wrong").status_code for _ in range(3)] == [403, 403, 429]

    def test_an_address_of_somebody_who_is_gone_brings_nothing_along(
        self, client: SecureClient, operator: User
    ) -> None:
        before = make_user("before", email=EMAIL)
        text = make_token(before, "tasks:read").text
        before.delete()
        accept(client, code_by(operator), "grace")
        sign_in(client, "grace", PASSWORD)
        assert client.me(text).status_code == 401
        grace = User.objects.get(username="grace")
        assert not grace.personal_tokens.exists()
        assert grace.uuid != before.uuid


class TestMaking:
    @pytest.mark.django_db(transaction=True)
    def test_the_link_goes_to_the_operator_and_to_the_address(
        self, operator: User, post: SmtpServer, client: SecureClient
    ) -> None:
        answer = Api(operator).make({"email": EMAIL, "username": "grace.hopper"})
        assert answer.status_code == 201
        made = answer.json()
        assert made["link"].startswith(f"{PUBLIC_URL}/invitation#")
        (letter,) = post.letters
        assert letter.recipients == (EMAIL,)
        assert link_of(letter) == made["link"]
        assert unquote(made["link"].partition("#")[2]).endswith(".grace.hopper")
        assert accept(client, code_of(letter), "grace.hopper").status_code == 302

    @pytest.mark.django_db(transaction=True)
    def test_what_became_of_the_letter_is_told(self, operator: User, settings: Settings) -> None:
        assert Api(operator).make().json()["mail"] == "off"
        with post_office(settings, refusal="451 try later"):
            invitations.make(actor=operator, email=EMAIL)
        with post_office(settings):
            invitations.make(actor=operator, email=EMAIL)
        assert [each["mail"] for each in Api(operator).get().json()["results"]] == ["sent", "failed", "off"]

    def test_the_link_is_in_no_other_answer(self, operator: User) -> None:
        api = Api(operator)
        made = api.make().json()
        code = made["link"].partition("#")[2]
        for path in ("", f"/{made['uuid']}"):
            text = api.get(path).content.decode()
            assert made["uuid"] in text
            assert code not in text
        page = SecureClient()
        page.force_login(operator)
        for path in ("/operation/invitations", "/admin/accounts/onetimecode/"):
            assert code not in page.get(path).content.decode()

    def test_the_same_request_twice_makes_one_and_shows_it_once(self, operator: User) -> None:
        api = Api(operator)
        first, second = (api.make(**{"Idempotency-Key": "k"}) for _ in range(2))
        assert (first.status_code, second.status_code) == (201, 409)
        assert second.json()["code"] == "idempotency_key_used"
        assert OneTimeCode.objects.count() == 1

    def test_a_helper_invites_people_but_no_operators(self, helper: User) -> None:
        api = Api(helper)
        assert api.make().status_code == 201
        answer = api.make({"email": EMAIL, "is_operator": True})
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
        page = SecureClient()
        page.force_login(helper)
        assert "is_staff" not in page.get("/operation/invitations/new").content.decode()
        page.post("/operation/invitations/new", {"email": EMAIL, "is_staff": "on"})
        assert {each.details["is_staff"] for each in OneTimeCode.objects.all()} == {False}

    def test_others_invite_nobody(self, alice: User, operator: User) -> None:
        staff = make_user("staff", is_staff=True)
        for actor in (alice, staff):
            with pytest.raises(PermissionDenied):
                invitations.make(actor=actor, email=EMAIL)
            assert Api(actor).make().status_code == 403
            assert Api(actor).get().status_code == 403
        assert not OneTimeCode.objects.exists()

    @pytest.mark.parametrize(
        ("body", "field", "code"),
        [
            ({}, "email", "required"),
            ({"email": "no address"}, "email", "invalid"),
            ({"email": f"{'x' * 250}@y.example"}, "email", "max_length"),
            ({"email": "a@b.example\nBcc: c@d.example"}, "email", "single_line"),
            ({"email": EMAIL, "username": "a b"}, "username", "invalid"),
            ({"email": EMAIL, "is_operator": "yes"}, "is_operator", "invalid"),
            ({"email": EMAIL, "is_superuser": True}, "is_superuser", "unknown_field"),
        ],
    )
    def test_what_is_wrong_is_named(self, operator: User, body: Any, field: str, code: str) -> None:
        answer = Api(operator).make(body)
        assert answer.status_code == 400
        assert (field, code) in {(each["field"], each["code"]) for each in answer.json()["errors"]}

    @pytest.mark.django_db(transaction=True)
    def test_the_page_shows_the_link_once(self, operator: User, post: SmtpServer) -> None:
        page = SecureClient()
        page.force_login(operator)
        answer = page.post("/operation/invitations/new", {"email": EMAIL, "username": ""})
        assert answer.status_code == 200
        assert f"{PUBLIC_URL}/invitation#" in answer.content.decode()
        assert "no-store" in answer["Cache-Control"]
        assert "The invitation was sent" in answer.content.decode()
        assert EMAIL in page.get("/operation/invitations").content.decode()

    def test_making_is_limited(self, operator: User, settings: Settings) -> None:
        settings.PERSONALQ_RATE_INVITATION = "1/h"
        api = Api(operator)
        assert [api.make().status_code for _ in range(2)] == [201, 429]


class TestWithdrawing:
    def test_it_is_over_at_once_and_twice_is_harmless(self, operator: User) -> None:
        api = Api(operator)
        uuid = api.make().json()["uuid"]
        assert [api.delete(uuid).status_code for _ in range(2)] == [204, 204]
        assert api.get(f"/{uuid}").json()["state"] == "withdrawn"
        assert AuditEvent.objects.filter(kind="invitation.withdrawn").count() == 1

    def test_a_used_one_cannot_be(self, operator: User, client: SecureClient) -> None:
        accept(client, code_by(operator))
        answer = Api(operator).delete(str(OneTimeCode.objects.get().uuid))
        assert (answer.status_code, answer.json()["code"]) == (409, "invitation_used")

    def test_the_page_asks_first(self, operator: User) -> None:
        code_by(operator)
        uuid = OneTimeCode.objects.get().uuid
        page = SecureClient()
        page.force_login(operator)
        assert page.get(f"/operation/invitations/{uuid}/withdraw").status_code == 200
        assert OneTimeCode.objects.live().exists()
        assert page.post(f"/operation/invitations/{uuid}/withdraw").status_code == 302
        assert not OneTimeCode.objects.live().exists()


def test_everything_is_in_the_audit_trail(client: SecureClient, operator: User, helper: User) -> None:
    code = code_by(operator)
    accept(client, "wrong")
    accept(client, code)
    with pytest.raises(PermissionDenied):
        invitations.make(actor=helper, email=EMAIL, is_staff=True)
    rows = AuditEvent.objects.filter(kind__startswith="invitation.").order_by("id")
    assert [(each.kind, each.outcome, each.actor_name) for each in rows] == [
        ("invitation.made", "done", "olga"),
        ("invitation.refused", "denied", ""),
        ("invitation.used", "done", "grace"),
        ("invitation.refused", "denied", "helper"),
    ]
    assert EMAIL not in str([each.facts for each in rows])


class TestNoOtherWay:
    OPEN = {
        "sign-in", "sign-in-code", "sign-out", "reset", "reset-new", "invitation", "notices-off",
        "api-auth-token", "api-auth-refresh", "api-auth-logout",
    }  # fmt: skip
    REFUSED = {LED, 401, 403, 404, 405, 415}

    def test_the_routes_that_take_something_from_strangers_are_these(self) -> None:
        """No open registration: whatever else takes a POST asks who it is first."""
        taking = {
            name
            for name, row in MATRIX.items()
            if (cell := row.expected("POST")) is not None and cell[0] not in self.REFUSED
        }
        signing = {name for name, row in API.items() if row.address.startswith("/api/v1/auth/")}
        assert taking | signing <= self.OPEN | {"csp-reports"}

    @pytest.mark.parametrize(
        "path", ["/register", "/signup", "/sign-up", "/accounts/signup", "/api/v1/register", "/api/v1/users"]
    )
    def test_there_is_no_registration(self, client: SecureClient, path: str, db: Any) -> None:
        body = {"username": "grace", "password": PASSWORD, "email": EMAIL}
        assert client.send(path, body).status_code in {401, 404}
        assert not User.objects.exists()

    def test_there_is_no_default_account(self, db: Any) -> None:
        assert not User.objects.exists()
