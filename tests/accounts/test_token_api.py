"""Personal tokens by the API: made, listed, revoked, and shown exactly once."""

import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from accounts.models import IdempotencyKey, PersonalToken, User
from accounts.scopes import ALL
from personalq.lib.logs import JsonFormatter
from tests.accounts.clients import SecureClient
from tests.makers import make_token, make_user
from tests.tasks.api.client import Api, codes

pytestmark = [pytest.mark.django_db, pytest.mark.security]

WANTED = {"name": "laptop", "scopes": ["tasks:write", "tasks:read"]}


@pytest.fixture
def api(alice: User) -> Api:
    return Api(alice)


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """Everything that is logged, at every level, as it is written."""
    kept: list[str] = []
    handler, root = logging.Handler(), logging.getLogger()
    handler.emit = lambda record: kept.append(JsonFormatter().format(record))  # type: ignore[method-assign]
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield kept
    root.removeHandler(handler)
    root.setLevel(level)


def every_row() -> str:
    """All that the database holds, as text."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        tables = [name for (name,) in cursor.fetchall()]
        cursor.execute(" UNION ALL ".join(f"SELECT t::text FROM {name} t" for name in tables))
        return "\n".join(row for (row,) in cursor.fetchall())


class TestCreating:
    def test_token_is_shown_once(self, api: Api, alice: User) -> None:
        response = api.post("tokens", WANTED)
        kept = PersonalToken.objects.get()
        assert (response.status_code, response["Cache-Control"]) == (201, "no-store")
        body = response.json()
        text = body.pop("token")
        url = f"https://testserver/api/v1/tokens/{kept.uuid}"
        assert response["Location"] == url
        for name in ("created_at", "expires_at"):
            assert body.pop(name).endswith("Z")
        assert body == {
            "uuid": str(kept.uuid), "name": "laptop", "prefix": text[:9], "scopes": ["tasks:read", "tasks:write"],
            "state": "live", "owner": "alice", "last_used_at": None, "revoked_at": None, "revoked_reason": "",
            "url": url,
        }  # fmt: skip
        assert Api(token=text).get("me").json()["username"] == "alice"
        for path in ("tokens", f"tokens/{kept.uuid}"):
            shown = api.get(path).content.decode()
            assert text not in shown
            assert kept.digest not in shown

    def test_its_life_can_be_chosen(self, api: Api) -> None:
        api.post("tokens", {**WANTED, "expires_in_days": 1})
        token = PersonalToken.objects.get()
        assert token.expires_at - token.created_at == timedelta(days=1)

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"name": ""}, "name"),
            ({"name": " a"}, "name"),
            ({"name": "a\nb"}, "name"),
            ({"name": "a/b"}, "name"),
            ({"name": "x" * 101}, "name"),
            ({"name": 1}, "name"),
            ({"scopes": []}, "scopes"),
            ({"scopes": "tasks:read"}, "scopes"),
            ({"scopes": ["tasks"]}, "scopes[0]"),
            ({"scopes": ["tasks:read", "any"]}, "scopes[1]"),
            ({"scopes": ["tasks:read"] * (len(ALL) + 1)}, "scopes"),
            ({"scopes": [None]}, "scopes[0]"),
            ({"expires_in_days": 0}, "expires_in_days"),
            ({"expires_in_days": 367}, "expires_in_days"),
            ({"expires_in_days": "90"}, "expires_in_days"),
            ({"expires_in_days": 1.0}, "expires_in_days"),
            ({"expires_in_days": True}, "expires_in_days"),
            ({"expires_in_days": None}, "expires_in_days"),
            ({"user": "bob"}, "user"),
            ({"token": "pq_mine"}, "token"),
            ({"digest": "0" * 64}, "digest"),
        ],
    )
    def test_wrong_values_are_named(self, api: Api, changes: dict[str, Any], field: str) -> None:
        response = api.post("tokens", {**WANTED, **changes})
        assert (response.status_code, set(codes(response))) == (400, {field})
        assert not PersonalToken.objects.exists()

    @pytest.mark.parametrize("missing", ["name", "scopes"])
    def test_purpose_and_scopes_have_to_be_said(self, api: Api, missing: str) -> None:
        body = {name: value for name, value in WANTED.items() if name != missing}
        assert codes(api.post("tokens", body)) == {missing: "required"}

    def test_same_scope_twice_is_one(self, api: Api) -> None:
        api.post("tokens", {**WANTED, "scopes": ["tasks:read", "tasks:read"]})
        assert PersonalToken.objects.get().scopes == ["tasks:read"]

    def test_name_of_another_live_token_is_taken(self, api: Api) -> None:
        api.post("tokens", WANTED)
        assert api.post("tokens", WANTED).json()["code"] == "name_taken"

    def test_nobody_has_more_than_the_limit(self, api: Api, alice: User, settings: Settings) -> None:
        settings.PERSONALQ_TOKENS_PER_USER = 2
        make_token(alice)
        make_token(make_user("bob"))
        assert api.post("tokens", WANTED).status_code == 201
        refused = api.post("tokens", {**WANTED, "name": "third"})
        assert (refused.status_code, refused.json()["code"]) == (409, "quota_reached")
        assert "2 tokens" in refused.json()["detail"]

    def test_making_is_limited(self, api: Api, settings: Settings) -> None:
        settings.PERSONALQ_RATE_TOKEN_CHANGE = "1/m"
        assert [api.post("tokens", {**WANTED, "name": name}).status_code for name in "ab"] == [201, 429]

    def test_session_may_make_one_with_its_csrf_token_only(self, alice: User) -> None:
        strict = SecureClient(enforce_csrf_checks=True)
        strict.force_login(alice)
        assert strict.send("/api/v1/tokens", WANTED).json()["code"] == "csrf_failed"
        assert not PersonalToken.objects.exists()

    def test_token_makes_and_ends_no_token(self, alice: User) -> None:
        new = make_token(alice)
        api = Api(token=new.text)
        answers = [
            api.post("tokens", WANTED), api.get("tokens"), api.get(f"tokens/{new.token.uuid}"),
            api.delete(f"tokens/{new.token.uuid}"),
        ]  # fmt: skip
        assert [(each.status_code, each.json()["code"]) for each in answers] == [(403, "scope_missing")] * 4
        assert PersonalToken.objects.get().state == "live"


class TestRepeating:
    def test_repeated_request_makes_no_second_token_and_shows_none(self, api: Api) -> None:
        first = api.post("tokens", WANTED, key="once")
        again = api.post("tokens", WANTED, key="once")
        assert (first.status_code, again.status_code, again.json()["code"]) == (201, 409, "idempotency_key_used")
        assert first.json()["token"] not in again.content.decode()
        assert PersonalToken.objects.count() == 1

    def test_nothing_that_is_kept_holds_it(self, api: Api) -> None:
        text = api.post("tokens", WANTED, key="once").json()["token"]
        assert IdempotencyKey.objects.get().body is None
        Api(token=text).get("me")
        kept = every_row()
        assert text[:9] in kept
        assert text[9:] not in kept

    def test_refused_request_leaves_its_key_unused(self, api: Api) -> None:
        api.post("tokens", {**WANTED, "scopes": []}, key="once")
        assert api.post("tokens", WANTED, key="once").status_code == 201


class TestListing:
    def test_holds_ones_own_newest_first_with_those_that_ended(self, api: Api, alice: User) -> None:
        make_token(make_user("bob"), name="bobs")
        past = timezone.now() - timedelta(days=2)
        expired = make_token(alice, name="expired").token
        PersonalToken.objects.filter(pk=expired.pk).update(created_at=past, expires_at=past + timedelta(days=1))
        revoked = make_token(alice, name="revoked").token
        make_token(alice, name="live")
        api.delete(f"tokens/{revoked.uuid}")
        found = [(each["name"], each["state"]) for each in api.get("tokens").json()["results"]]
        assert found == [("live", "live"), ("revoked", "revoked"), ("expired", "expired")]

    def test_has_pages(self, api: Api, alice: User) -> None:
        for _ in range(3):
            make_token(alice)
        first = api.get("tokens", page_size=2).json()
        assert (len(first["results"]), len(api.get(first["next"]).json()["results"])) == (2, 1)

    def test_costs_as_many_queries_for_many_as_for_one(self, api: Api, alice: User) -> None:
        def queries() -> int:
            with CaptureQueriesContext(connection) as asked:
                api.get("tokens")
            return len(asked)

        make_token(alice)
        for_one = queries()
        for _ in range(10):
            make_token(alice)
        assert queries() == for_one

    def test_operators_see_everybodys(self, alice: User, operator: User) -> None:
        make_token(alice, name="hers")
        api = Api(operator)
        assert api.get("tokens").json()["results"] == []
        for owner in ("alice", "all"):
            (row,) = api.get("tokens", owner=owner).json()["results"]
            assert (row["name"], row["owner"]) == ("hers", "alice")
        assert codes(api.get("tokens", owner="nobody")) == {"owner": "not_found"}

    @pytest.mark.parametrize("owner", ["all", "bob", "nobody", "alice"])
    def test_others_do_not(self, api: Api, owner: str) -> None:
        assert api.get("tokens", owner=owner).json()["code"] == "permission_denied"


class TestRevoking:
    def test_ends_the_token_and_can_be_repeated(self, api: Api, alice: User) -> None:
        new = make_token(alice)
        path = f"tokens/{new.token.uuid}"
        assert [api.delete(path).status_code for _ in range(2)] == [204, 204]
        assert Api(token=new.text).get("me").status_code == 401
        row = api.get(path).json()
        assert (row["state"], row["revoked_reason"], row["revoked_at"] is None) == ("revoked", "owner", False)

    def test_stranger_sees_and_ends_nothing(self, alice: User) -> None:
        new, stranger = make_token(alice), Api(make_user("bob"))
        path = f"tokens/{new.token.uuid}"
        assert {stranger.send(method, path).json()["code"] for method in ("GET", "DELETE", "PATCH")} == {"not_yours"}
        assert Api(token=new.text).get("me").status_code == 200

    def test_unknown_token_is_not_found(self, api: Api) -> None:
        assert api.delete("tokens/6a5b2c1e-9d1f-4c3a-8b7e-1f2a3b4c5d6e").status_code == 404

    def test_operator_ends_everybodys(self, alice: User, operator: User) -> None:
        new = make_token(alice)
        assert Api(operator).delete(f"tokens/{new.token.uuid}").status_code == 204
        new.token.refresh_from_db()
        assert new.token.revoked_reason == "operator"

    def test_helper_may_do_what_the_permissions_say(self, alice: User) -> None:
        helper = make_user("helper", is_staff=True)
        new, path = make_token(alice), f"tokens/{PersonalToken.objects.get().uuid}"
        assert Api(helper).get(path).status_code == 403
        helper.user_permissions.add(Permission.objects.get(codename="view_personaltoken"))
        assert (Api(helper).get(path).status_code, Api(helper).delete(path).status_code) == (200, 403)
        helper.user_permissions.add(Permission.objects.get(codename="change_personaltoken"))
        assert Api(helper).delete(path).status_code == 204
        assert Api(token=new.text).get("me").status_code == 401

    def test_permission_without_being_staff_gives_nothing(self, alice: User) -> None:
        bob = make_user("bob")
        bob.user_permissions.add(*Permission.objects.filter(content_type__model="personaltoken"))
        assert Api(bob).delete(f"tokens/{make_token(alice).token.uuid}").status_code == 403


class TestLeaks:
    def test_no_log_line_holds_it(self, api: Api, lines: list[str]) -> None:
        text = api.post("tokens", WANTED).json()["token"]
        program = Api(token=text)
        program.get("me")
        program.get("credentials")
        program.post("tasks", {"agent": text, "prompt": text})
        program.send("POST", "tasks", f'{{"prompt": "{text}')
        program.get("me", token=text)
        logging.getLogger("careless").warning("got %s", text)
        logging.getLogger("careless").warning("got it", extra={"fields": {"header": f"Bearer {text}"}})
        assert any("was made by" in line for line in lines)
        assert [line for line in lines if text[9:] in line] == []

    def test_crash_of_ours_does_not_tell_it(
        self, api: Api, alice: User, lines: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def crash(*_: Any, **__: Any) -> None:
            raise RuntimeError("broken")

        text = make_token(alice).text
        monkeypatch.setattr("accounts.tokens.personal_tokens._note_use", crash)
        answer = Api(token=text).get("me")
        assert answer.status_code == 500
        assert text not in answer.content.decode()
        assert [line for line in lines if text[9:] in line] == []

    def test_fields_of_the_answer_are_those_of_the_document(self, api: Api) -> None:
        body = api.post("tokens", WANTED).json()
        document = json.loads(api.get("schema").content)
        described = document["components"]["schemas"]
        assert set(body) == set(described["NewPersonalToken"]["properties"])
        assert set(api.get("tokens").json()["results"][0]) == set(described["PersonalToken"]["properties"])


class TestDocument:
    def test_says_which_scope_each_operation_needs(self, api: Api) -> None:
        paths = json.loads(api.get("schema").content)["paths"]
        assert {"personalToken": ["tasks:write"]} in paths["/api/v1/tasks"]["post"]["security"]
        assert {"personalToken": []} in paths["/api/v1/me"]["get"]["security"]
        assert [each for each in paths["/api/v1/tokens"]["post"]["security"] if "personalToken" in each] == []
