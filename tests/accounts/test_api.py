"""Signing in, refreshing and signing out over HTTP."""

from typing import Any
from unittest.mock import patch

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from pytest_django import Settings
from redis.exceptions import ConnectionError as RedisConnectionError

from accounts.models import TokenFamily, User
from tests.accounts.clients import SecureClient
from tests.accounts.forging import altered
from tests.makers import PASSWORD, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.security]

TOKEN, REFRESH, LOGOUT = "/api/v1/auth/token", "/api/v1/auth/refresh", "/api/v1/auth/logout"


WRONG_HEADERS = [
    *(
        "",
        " ",
        "Bearer",
        "Bearer ",
        "Bearer  {}",
        " {}",
        "{}",
        "bearer {}",
        "BEARER {}",
        "Basic {}",
        "Token {}",
    ),
    *("Bearer\t{}", "Bearer {} ", "Bearer {}x", "Bearer {},Bearer {}", "Bearer {} {}", 'Bearer "{}"'),
    *("Bearer é", "Bearer \x00", "Bearer null", "Bearer undefined"),
]


def credentials(username: Any = "alice", password: Any = PASSWORD) -> dict[str, Any]:
    return {"username": username, "password": password}


@pytest.fixture
def pair(client: SecureClient, alice: User) -> dict[str, str]:
    answer = client.send(TOKEN, credentials())
    assert answer.status_code == 200
    return dict(answer.json())


def without_request_id(answer: Any) -> dict[str, Any]:
    return {name: value for name, value in answer.json().items() if name != "request_id"}


class TestSignIn:
    def test_pair_opens_the_api(self, client: SecureClient, alice: User, pair: dict[str, str]) -> None:
        assert set(pair) == {"access", "refresh", "expires_at"}
        assert pair["expires_at"].endswith("Z")
        me = client.me(pair["access"])
        body = me.json()
        assert body.pop("expires_at")[:19] == pair["expires_at"][:19]
        assert body == {"uuid": str(alice.uuid), "username": "alice", "is_operator": False, "scopes": None}

    def test_operator_is_told_so(self, client: SecureClient, operator: User) -> None:
        access = client.send(TOKEN, credentials("olga")).json()["access"]
        assert client.me(access).json()["is_operator"] is True

    def test_trailing_slash_makes_no_difference(self, client: SecureClient, alice: User) -> None:
        assert client.send(f"{TOKEN}/", credentials()).status_code == 200

    def test_name_in_another_unicode_form_is_the_same_name(self, client: SecureClient, db: Any) -> None:
        make_user("ångström")
        assert client.send(TOKEN, credentials("a\u030angstro\u0308m")).status_code == 200

    def test_nothing_tells_a_wrong_password_from_an_unknown_or_inactive_user(
        self, client: SecureClient, alice: User
    ) -> None:
        make_user("sleeper", is_active=False)
        attempts = [
            credentials(password="wrong"),
            credentials("nobody"),
            credentials("sleeper"),
            credentials("", ""),
            credentials(password=PASSWORD.upper()),
            credentials(password=f" {PASSWORD}"),
            credentials("ALICE"),
        ]
        answers = [client.send(TOKEN, attempt) for attempt in attempts]
        assert [answer.status_code for answer in answers] == [401] * len(attempts)
        assert [answer["WWW-Authenticate"] for answer in answers] == ["Bearer"] * len(attempts)
        assert all(without_request_id(answer) == without_request_id(answers[0]) for answer in answers)
        assert answers[0].json()["code"] == "invalid_credentials"
        assert not TokenFamily.objects.exists()

    @pytest.mark.parametrize("username", ["alice", "nobody", "sleeper", ""])
    def test_a_refusal_takes_the_same_work_for_everybody(
        self, client: SecureClient, alice: User, username: str
    ) -> None:
        make_user("sleeper", is_active=False)
        with patch.object(MD5PasswordHasher, "encode", autospec=True, side_effect=MD5PasswordHasher.encode) as work:
            assert client.send(TOKEN, credentials(username, "wrong")).status_code == 401
        assert work.call_count == 1

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"username": "alice"}, "password"),
            ({"password": PASSWORD}, "username"),
            (credentials("a" * 151), "username"),
            (credentials(password="p" * 1025), "password"),
            (credentials(1), "username"),
            (credentials({"a": 1}), "username"),
            (credentials(None), "username"),
            (credentials(password=True), "password"),
            (credentials(password=[PASSWORD]), "password"),
            ({**credentials(), "otp": "1"}, "otp"),
        ],
    )
    def test_wrong_shape_is_refused_by_field(
        self, client: SecureClient, alice: User, body: dict[str, Any], field: str
    ) -> None:
        answer = client.send(TOKEN, body)
        assert answer.status_code == 400
        assert [error["field"] for error in answer.json()["errors"]] == [field]

    @pytest.mark.parametrize("body", ["", "[]", '"x"', "null", "{", '{"username": NaN}', "[" * 100_000])
    def test_what_is_no_json_object_is_refused(self, client: SecureClient, db: Any, body: str) -> None:
        assert client.post(TOKEN, body, content_type="application/json").status_code == 400

    @pytest.mark.parametrize("text", ["a\0b", "\ud800"])
    def test_text_that_the_database_cannot_hold_is_refused(self, client: SecureClient, alice: User, text: str) -> None:
        assert client.send(TOKEN, credentials(text)).status_code == 400
        assert client.send(TOKEN, credentials(password=text)).status_code == 400

    @pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded"])
    def test_a_form_of_another_site_cannot_sign_somebody_in(
        self, client: SecureClient, alice: User, content_type: str
    ) -> None:
        answer = client.post(TOKEN, f"username=alice&password={PASSWORD}", content_type=content_type)
        assert answer.status_code == 415

    def test_credentials_in_the_address_are_ignored(self, client: SecureClient, alice: User) -> None:
        assert client.send(f"{TOKEN}?username=alice&password={PASSWORD}", {}).status_code == 400

    def test_a_wrong_token_beside_good_credentials_does_not_matter(self, client: SecureClient, alice: User) -> None:
        answer = client.send(TOKEN, credentials(), headers={"Authorization": "Bearer old"})
        assert answer.status_code == 200


class TestLimits:
    @pytest.fixture(autouse=True)
    def few_attempts(self, settings: Settings) -> None:
        settings.PERSONALQ_RATE_SIGN_IN_NAME = "3/m"
        settings.PERSONALQ_RATE_SIGN_IN_ADDRESS = "6/m"

    def attempts(self, client: SecureClient, count: int, username: str = "alice", **extra: Any) -> list[int]:
        return [client.send(TOKEN, credentials(username, "wrong"), **extra).status_code for _ in range(count)]

    def test_one_attempt_too_many_is_told_when_to_come_back(self, client: SecureClient, alice: User) -> None:
        assert self.attempts(client, 3) == [401, 401, 401]
        refused = client.send(TOKEN, credentials())
        assert refused.status_code == 429
        assert 1 <= int(refused["Retry-After"]) <= 60
        assert refused.json()["code"] == "rate_limited"

    def test_good_password_is_not_compared_past_the_limit(self, client: SecureClient, alice: User) -> None:
        self.attempts(client, 3)
        with patch.object(MD5PasswordHasher, "encode", autospec=True) as work:
            assert client.send(TOKEN, credentials()).status_code == 429
        assert work.call_count == 0

    def test_users_do_not_share_a_bucket(self, client: SecureClient, alice: User) -> None:
        make_user("bob")
        self.attempts(client, 4)
        assert client.send(TOKEN, credentials("bob")).status_code == 200

    def test_a_stranger_elsewhere_cannot_lock_somebody_out(self, client: SecureClient, alice: User) -> None:
        assert self.attempts(client, 4, REMOTE_ADDR="203.0.113.9")[-1] == 429
        assert client.send(TOKEN, credentials(), REMOTE_ADDR="198.51.100.7").status_code == 200

    def test_other_spellings_of_a_name_are_the_same_name(self, client: SecureClient, alice: User) -> None:
        assert self.attempts(client, 1) + self.attempts(client, 1, "ALICE") == [401, 401]
        assert self.attempts(client, 1, "\uff41lice") + self.attempts(client, 1, " alice ") == [401, 429]

    def test_trying_many_names_from_one_address_ends_too(self, client: SecureClient, db: Any) -> None:
        tried = [self.attempts(client, 1, f"name-{number}")[0] for number in range(7)]
        assert tried == [401] * 6 + [429]

    def test_addresses_of_one_ipv6_network_count_together(self, client: SecureClient, db: Any) -> None:
        tried = [
            self.attempts(client, 1, f"name-{number}", REMOTE_ADDR=f"2001:db8::{number + 1}")[0] for number in range(7)
        ]
        assert tried == [401] * 6 + [429]

    def test_ipv4_clients_of_a_dual_stack_socket_do_not_count_together(self, client: SecureClient, db: Any) -> None:
        tried = [self.attempts(client, 1, "nobody", REMOTE_ADDR=f"::ffff:192.0.2.{number}")[0] for number in range(7)]
        assert tried == [401] * 7

    @pytest.mark.parametrize("address", ["", "not-an-ip", "é", "1.2.3.4, 5.6.7.8"])
    def test_an_unknown_address_is_limited_and_no_accident(
        self, client: SecureClient, alice: User, address: str
    ) -> None:
        assert self.attempts(client, 4, REMOTE_ADDR=address) == [401, 401, 401, 429]

    def test_a_made_up_forwarding_header_gives_no_new_bucket(self, client: SecureClient, alice: User) -> None:
        tried = [
            self.attempts(client, 1, headers={"X-Forwarded-For": f"198.51.100.{number}"})[0] for number in range(4)
        ]
        assert tried == [401, 401, 401, 429]

    def test_nobody_signs_in_while_attempts_cannot_be_counted(self, client: SecureClient, alice: User) -> None:
        with patch("personalq.lib.rate_limits.get_usage", side_effect=RedisConnectionError):
            answer = client.send(TOKEN, credentials())
        assert answer.status_code == 503
        assert int(answer["Retry-After"]) >= 1

    def test_refreshing_has_a_limit_of_its_own(
        self, client: SecureClient, pair: dict[str, str], settings: Settings
    ) -> None:
        settings.PERSONALQ_RATE_TOKEN_REFRESH = "2/m"
        refresh = client.send(REFRESH, {"refresh": pair["refresh"]}).json()["refresh"]
        refresh = client.send(REFRESH, {"refresh": refresh}).json()["refresh"]
        refused = client.send(REFRESH, {"refresh": refresh})
        assert refused.status_code == 429
        assert int(refused["Retry-After"]) >= 1
        assert not TokenFamily.objects.exclude(revoked_at=None).exists()


class TestRefresh:
    def test_new_pair_replaces_the_old_refresh_token(self, client: SecureClient, pair: dict[str, str]) -> None:
        renewed = client.send(REFRESH, {"refresh": pair["refresh"]})
        assert renewed.status_code == 200
        assert set(renewed.json()) == {"access", "refresh", "expires_at"}
        assert client.me(renewed.json()["access"]).status_code == 200

    def test_reuse_is_refused_and_ends_the_newer_tokens(self, client: SecureClient, pair: dict[str, str]) -> None:
        renewed = client.send(REFRESH, {"refresh": pair["refresh"]}).json()
        reused = client.send(REFRESH, {"refresh": pair["refresh"]})
        assert (reused.status_code, reused.json()["code"]) == (401, "invalid_token")
        assert client.me(renewed["access"]).status_code == 401
        assert client.send(REFRESH, {"refresh": renewed["refresh"]}).status_code == 401

    @pytest.mark.parametrize("ending", ["deleted", "deactivated", "new password"])
    def test_nothing_is_left_to_somebody_who(
        self, client: SecureClient, alice: User, pair: dict[str, str], ending: str
    ) -> None:
        if ending == "deleted":
            alice.delete()
        elif ending == "deactivated":
            User.objects.update(is_active=False)
        else:
            alice.set_password("another ordinary passphrase")
            alice.save()
        assert client.send(REFRESH, {"refresh": pair["refresh"]}).status_code == 401
        assert client.me(pair["access"]).status_code == 401

    @pytest.mark.parametrize("body", [{}, {"refresh": ""}, {"refresh": 1}, {"refresh": "x" * 3000}, {"refresh": {}}])
    def test_wrong_shape_names_the_field(self, client: SecureClient, db: Any, body: dict[str, Any]) -> None:
        answer = client.send(REFRESH, body)
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["field"] == "refresh"

    def test_access_token_is_no_refresh_token(self, client: SecureClient, pair: dict[str, str]) -> None:
        assert client.send(REFRESH, {"refresh": pair["access"]}).status_code == 401

    def test_signed_nonsense_is_no_accident(self, client: SecureClient, pair: dict[str, str]) -> None:
        forged = altered(pair["refresh"], sub={"a": 1})
        assert client.send(REFRESH, {"refresh": forged}).status_code == 401


class TestLogout:
    def test_ends_all_tokens_of_the_sign_in(self, client: SecureClient, pair: dict[str, str]) -> None:
        renewed = client.send(REFRESH, {"refresh": pair["refresh"]}).json()
        answer = client.send(LOGOUT, {"refresh": renewed["refresh"]})
        assert (answer.status_code, answer.content) == (204, b"")
        assert client.me(pair["access"]).status_code == 401
        assert client.me(renewed["access"]).status_code == 401
        assert client.send(REFRESH, {"refresh": renewed["refresh"]}).status_code == 401

    def test_leaves_other_sign_ins_alone(self, client: SecureClient, pair: dict[str, str]) -> None:
        other = client.send(TOKEN, credentials()).json()
        client.send(LOGOUT, {"refresh": pair["refresh"]})
        assert client.me(other["access"]).status_code == 200

    def test_may_be_repeated(self, client: SecureClient, pair: dict[str, str]) -> None:
        answers = [client.send(LOGOUT, {"refresh": pair["refresh"]}).status_code for _ in range(2)]
        assert answers == [204, 204]

    def test_is_harmless_for_a_deleted_user(self, client: SecureClient, alice: User, pair: dict[str, str]) -> None:
        alice.delete()
        assert client.send(LOGOUT, {"refresh": pair["refresh"]}).status_code == 204

    def test_says_so_when_nothing_could_be_ended(self, client: SecureClient, pair: dict[str, str]) -> None:
        assert client.send(LOGOUT, {"refresh": pair["access"]}).status_code == 401
        assert client.send(LOGOUT, {"refresh": "nonsense"}).status_code == 401
        assert client.me(pair["access"]).status_code == 200


class TestBearer:
    @pytest.mark.parametrize("header", WRONG_HEADERS)
    def test_anything_but_one_exact_form_is_refused(
        self, client: SecureClient, pair: dict[str, str], header: str
    ) -> None:
        answer = client.get("/api/v1/me", HTTP_AUTHORIZATION=header.replace("{}", pair["access"]))
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
        assert answer["WWW-Authenticate"] == "Bearer"

    def test_all_wrong_tokens_get_the_same_answer(
        self, client: SecureClient, alice: User, pair: dict[str, str]
    ) -> None:
        expired = altered(pair["access"], exp=1_000_000_000)
        tampered = pair["access"][:-4] + "AAAA"
        alice.token_families.update(expires_at="2020-01-01T00:00Z")
        answers = [client.me(token) for token in (expired, tampered, pair["access"], pair["refresh"])]
        assert all(without_request_id(answer) == without_request_id(answers[0]) for answer in answers)

    def test_a_wrong_token_is_not_saved_by_a_session(self, signed_in: SecureClient) -> None:
        assert signed_in.get("/api/v1/me").status_code == 200
        assert signed_in.me("wrong").status_code == 401

    def test_a_wrong_token_is_refused_in_a_browser_too(self, client: SecureClient, db: Any) -> None:
        answer = client.get("/api/v1/me", headers={"Authorization": "Bearer x", "Accept": "text/html"})
        assert answer.status_code == 401

    @pytest.mark.parametrize("name", ["token", "access_token", "access", "jwt", "Authorization"])
    def test_token_in_the_address_opens_nothing(self, client: SecureClient, pair: dict[str, str], name: str) -> None:
        assert client.get(f"/api/v1/me?{name}={pair['access']}").status_code == 401

    def test_token_in_a_cookie_opens_nothing(self, client: SecureClient, pair: dict[str, str]) -> None:
        client.cookies["access_token"] = pair["access"]
        assert client.get("/api/v1/me").status_code == 401

    def test_stranger_is_asked_to_sign_in(self, client: SecureClient, db: Any) -> None:
        answer = client.get("/api/v1/me")
        assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
        assert answer["WWW-Authenticate"] == "Bearer"


def test_schema_tells_how_to_send_a_token(client: SecureClient, operator: User) -> None:
    client.force_login(operator)
    schema = client.get("/api/v1/schema", headers={"Accept": "application/json"}).json()
    assert schema["components"]["securitySchemes"]["accessToken"]["scheme"] == "bearer"
    assert {"accessToken": []} in schema["paths"]["/api/v1/me"]["get"]["security"]
    assert "accessToken" not in str(schema["paths"]["/api/v1/auth/token"]["post"].get("security", []))
