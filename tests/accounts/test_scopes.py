"""What a personal token may do at the API: what its scopes say, and never what is for people only."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import RequestFactory
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import scopes, tokens
from accounts.models import PersonalToken, User
from accounts.scopes import ALL, ScopeMissing
from personalq.lib.view_scopes import ANY, scope_needed_by
from tests.access.routes import Route, all_routes
from tests.accounts.clients import SecureClient
from tests.makers import make_agent, make_credential, make_task, make_token, make_user
from tests.tasks.api.client import Api

pytestmark = [pytest.mark.django_db, pytest.mark.security]

SIGN_IN_ONLY = {
    "api-auth-token", "api-auth-refresh", "api-auth-logout", "api-credentials", "api-credential",
    "api-credential-test", "api-tokens", "api-token",
    "api-me-password", "api-sessions", "api-session", "api-sessions-end-others", "api-invitations", "api-invitation",
}  # fmt: skip
"""Keys, tokens and sign-ins: nothing that a program may touch with a token that somebody lent it."""
FOR_ANY_TOKEN = {"api-me", "api-root", "api-schema", "api-docs", "api-unknown", "api-outside"}


def views() -> Iterator[tuple[Route, type[APIView]]]:
    """All that answer programs, wherever they stand."""
    for route in all_routes():
        view = getattr(route.view, "cls", None)
        if isinstance(view, type) and issubclass(view, APIView):
            yield route, view


def api_routes() -> Iterator[tuple[Route, type[APIView]]]:
    return ((route, view) for route, view in views() if route.pattern.lstrip("^").startswith("api"))


def needs() -> dict[tuple[str, str], str]:
    """(route, method) → the scope that it needs, of all routes of the API."""
    return {(route.name, each): scope_needed_by(view, each) for route, view in api_routes() for each in route.methods}


class TestDeclarations:
    def test_every_view_declares_a_scope_or_is_for_sign_ins_only(self) -> None:
        found = {route.name for route, view in views() for each in route.methods if not scope_needed_by(view, each)}
        assert found == SIGN_IN_ONLY

    def test_views_for_any_token_are_these(self) -> None:
        found = {route.name for route, view in api_routes() if getattr(view, "scope", "") == ANY}
        assert found == FOR_ANY_TOKEN
        assert {method for (name, method), scope in needs().items() if scope == ANY} == {"GET"}

    def test_every_declared_scope_exists(self) -> None:
        assert {scope for scope in needs().values() if scope} - {ANY} <= set(ALL)

    def test_reading_and_writing_differ(self) -> None:
        found = needs()
        assert found["api-tasks", "GET"] == "tasks:read"
        assert found["api-tasks", "POST"] == "tasks:write"
        assert found["api-task-cancel", "POST"] == "tasks:write"
        assert found["api-agent", "DELETE"] == "agents:write"
        assert found["api-task-next", "POST"] == "tasks:work"
        assert found["api-approval-approve", "POST"] == "approvals:write"
        assert found["api-stop-switch", "DELETE"] == "operator:write"

    def test_only_reading_goes_without_a_writing_scope(self) -> None:
        # They compute what would be and keep nothing.
        harmless = {"api-schedule-preview", "api-door-preview"}
        reading = {name for (name, method), scope in needs().items() if method != "GET" and scope.endswith(":read")}
        assert reading <= harmless


def ask(text: str, name: str, method: str) -> Any:
    """The answer of a route about something that does not exist."""
    (pattern,) = {route.pattern for route, _ in api_routes() if route.name == name}
    address = re.sub(r"<\w+:\w+>", "6a5b2c1e-9d1f-4c3a-8b7e-1f2a3b4c5d6e", pattern)
    return Api(token=text).send(method, f"/{address}", {} if method in {"POST", "PATCH"} else None)


class TestEnforcement:
    def test_token_with_all_scopes_but_one_opens_all_but_that(self, alice: User, settings: Any) -> None:
        settings.RATELIMIT_ENABLE = False
        wrong = []
        lacking = {scope: make_token(alice, *(each for each in ALL if each != scope)).text for scope in ALL}
        holding = {scope: make_token(alice, scope).text for scope in ALL}
        for (name, method), scope in needs().items():
            if scope and scope != ANY:
                answer = ask(lacking[scope], name, method)
                if (answer.status_code, answer.json()["code"]) != (403, "scope_missing"):
                    wrong.append((name, method, scope, answer.status_code))
                answer = ask(holding[scope], name, method)
                if b"scope_missing" in answer.content or answer.status_code == 401:
                    wrong.append((name, method, scope, answer.status_code))
        assert wrong == []

    def test_what_is_for_people_only_refuses_every_token(self, alice: User, settings: Any) -> None:
        settings.RATELIMIT_ENABLE = False
        text = make_token(alice).text
        asked = [
            key for key in needs() if key[0] in SIGN_IN_ONLY - {"api-auth-token", "api-auth-refresh", "api-auth-logout"}
        ]
        assert len(asked) > 6
        answers = {key: ask(text, *key) for key in asked}
        assert {key: answer.status_code for key, answer in answers.items()} == dict.fromkeys(asked, 403)
        assert {answer.json()["code"] for answer in answers.values()} == {"scope_missing"}
        assert PersonalToken.objects.count() == 1

    def test_refusal_names_the_scope_and_how_to_get_it(self, alice: User) -> None:
        answer = Api(token=make_token(alice, "agents:read").text).post("tasks", {})
        assert answer.json()["detail"] == (
            "It needs the scope tasks:write. Make a token that has it on the page Tokens, and use that one."
        )
        assert answer["WWW-Authenticate"] == 'Bearer error="insufficient_scope", scope="tasks:write"'

    def test_refusal_of_what_is_for_people_says_to_sign_in(self, alice: User) -> None:
        answer = Api(token=make_token(alice).text).get("credentials")
        assert "Sign in" in answer.json()["detail"]
        assert "WWW-Authenticate" not in answer.headers

    def test_refusal_is_a_page_for_browsers(self, alice: User) -> None:
        text = make_token(alice, "agents:read").text
        answer = Api(token=text).send("GET", "tasks", HTTP_ACCEPT="text/html")
        assert (answer.status_code, answer["Content-Type"]) == (403, "text/html; charset=utf-8")
        assert "tasks:read" in answer.content.decode()
        assert text not in answer.content.decode()

    def test_head_needs_what_get_needs(self, alice: User) -> None:
        assert Api(token=make_token(alice, "tasks:read").text).send("HEAD", "tasks").status_code == 200
        assert Api(token=make_token(alice, "tasks:write").text).send("HEAD", "tasks").status_code == 403

    def test_a_view_that_declares_nothing_refuses_every_token(self, alice: User) -> None:
        class Forgetful(APIView):
            def get(self, request: Any) -> Response:
                return Response({"user": request.user.get_username()})

        def answer(token: str) -> int:
            request = RequestFactory().get("/api/v1/forgetful", headers={"Authorization": f"Bearer {token}"})
            return int(Forgetful.as_view()(request).status_code)

        assert answer(make_token(alice).text) == 403
        assert answer(Api(alice).headers["Authorization"].removeprefix("Bearer ")) == 200

    def test_scopes_of_one_method_go_before_the_noun(self) -> None:
        class Split(APIView):
            scope = "tasks"
            scopes = {"POST": "tasks:work", "DELETE": ""}

        found = {
            method: scope_needed_by(Split, method) for method in ("GET", "HEAD", "OPTIONS", "POST", "PATCH", "DELETE")
        }
        assert found == {
            "GET": "tasks:read", "HEAD": "tasks:read", "OPTIONS": "tasks:read", "POST": "tasks:work",
            "PATCH": "tasks:write", "DELETE": "",
        }  # fmt: skip


class TestReach:
    def test_token_reaches_no_more_than_its_user(self, alice: User) -> None:
        task = make_task(make_agent(make_user("bob")))
        api = Api(token=make_token(alice).text)
        assert api.get(f"tasks/{task.uuid}").json()["code"] == "not_yours"
        assert api.post(f"tasks/{task.uuid}/cancel").json()["code"] == "not_yours"
        assert api.get("tasks").json()["results"] == []

    def test_operators_scope_makes_nobody_an_operator(self, alice: User) -> None:
        assert (
            Api(token=make_token(alice).text).post("stop-switch", {"reason": "r"}).json()["code"] == "permission_denied"
        )

    def test_it_works_for_its_user(self, alice: User) -> None:
        make_agent(alice, name="scribe")
        api = Api(token=make_token(alice, "tasks:write", "tasks:read").text)
        assert api.post("tasks", {"agent": "scribe", "prompt": "p"}, key="k").status_code == 201
        assert len(api.get("tasks").json()["results"]) == 1

    def test_requests_of_all_tokens_count_for_their_user(self, alice: User, settings: Any) -> None:
        settings.PERSONALQ_RATE_READ = "2/m"
        texts = [make_token(alice, "tasks:read").text for _ in range(3)]
        assert [Api(token=text).get("tasks").status_code for text in texts] == [200, 200, 429]

    @pytest.mark.parametrize("path", ["/", "/tasks", "/tokens", "/credentials", "/admin/"])
    def test_pages_and_admin_take_no_token(self, client: SecureClient, operator: User, path: str) -> None:
        answer = client.get(path, headers={"Authorization": f"Bearer {make_token(operator).text}"})
        assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/sign-in")

    def test_session_does_not_help_a_token(self, signed_in: SecureClient, alice: User) -> None:
        make_credential(alice)
        answer = signed_in.get("/api/v1/credentials", headers={"Authorization": f"Bearer {make_token(alice).text}"})
        assert answer.status_code == 403

    @pytest.mark.parametrize("address", ["/api/v1/me?token={}", "/api/v1/me?access_token={}"])
    def test_token_in_the_address_opens_nothing(self, client: SecureClient, alice: User, address: str) -> None:
        assert client.get(address.format(make_token(alice).text)).status_code == 401


class TestMe:
    def test_tells_the_scopes_and_the_end(self, client: SecureClient, alice: User) -> None:
        new = make_token(alice, "queues:read", "agents:read")
        body = client.me(new.text).json()
        assert body["scopes"] == ["agents:read", "queues:read"]
        assert body["expires_at"][:19] == new.token.expires_at.isoformat()[:19]
        assert body["username"] == "alice"

    def test_tells_nothing_of_tokens_in_a_session(self, signed_in: SecureClient) -> None:
        body = signed_in.get("/api/v1/me").json()
        assert (body["scopes"], body["expires_at"]) == (None, None)

    def test_any_token_may_find_its_way(self, alice: User) -> None:
        api = Api(token=make_token(alice, "budgets:read").text)
        assert {path: api.get(path).status_code for path in ("", "schema", "me", "nothing")} == {
            "": 200, "schema": 200, "me": 200, "nothing": 404,
        }  # fmt: skip


class TestRequire:
    def test_empty_scope_is_had_by_no_token(self, alice: User) -> None:
        identity = tokens.identity_of(make_token(alice).text)
        with pytest.raises(ScopeMissing):
            scopes.require(identity, "")
        scopes.require(identity, ANY)
        scopes.require(tokens.identity_of(tokens.issue_pair(alice).access), "")
