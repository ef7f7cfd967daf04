"""Who is let in at /mcp, and in which form."""

import json
from typing import Any

import httpx2
import pytest

from accounts.models import PersonalToken, User
from accounts.tokens import personal_tokens
from personalq.lib.security_headers import FIXED_HEADERS
from tests.clients import fresh_client
from tests.mcp.talking import ACCEPTED, Agent, message, post, token_of
from tests.realtime.sockets.serving import WebProcess, wait_for
from tests.realtime.sockets.talking import token_of as access_token_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.security]


def code_of(response: httpx2.Response) -> tuple[int, str]:
    assert response.headers["content-type"].startswith("application/problem+json")
    return response.status_code, response.json()["code"]


def test_stranger_is_told_how_to_come_in(url: str) -> None:
    response = post(url)
    assert code_of(response) == (401, "not_authenticated")
    assert response.headers["www-authenticate"] == 'Bearer realm="personal-q"'


@pytest.mark.parametrize("token", ["pq_" + "0" * 43, "x", "pq_ü", "pq_" + "a" * 5000])
def test_wrong_token_is_401(url: str, token: str) -> None:
    response = post(url, Authorization=f"Bearer {token}".encode("latin-1"))
    assert code_of(response) == (401, "invalid_token")
    assert response.headers["www-authenticate"] == 'Bearer realm="personal-q", error="invalid_token"'


@pytest.mark.parametrize("scheme", ["Basic", "bearer", "Token", "Bearer  "])
def test_token_must_come_in_the_known_form(url: str, alice: User, scheme: str) -> None:
    assert code_of(post(url, Authorization=f"{scheme} {token_of(alice)}")) == (401, "invalid_token")


def test_two_tokens_are_none(url: str, alice: User) -> None:
    headers = [("Authorization", f"Bearer {token_of(alice)}")] * 2 + [("Accept", ACCEPTED)]
    response = httpx2.post(url, headers=headers, json=message())
    assert code_of(response) == (401, "invalid_token")


def test_token_in_the_address_opens_nothing(url: str, alice: User) -> None:
    token = token_of(alice)
    for name in ("token", "access_token", "authorization"):
        assert code_of(post(f"{url}?{name}={token}")) == (401, "not_authenticated")


def test_cookie_of_a_session_opens_nothing(url: str, alice: User) -> None:
    client = fresh_client()
    client.force_login(alice)
    cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
    assert code_of(post(url, Cookie=cookies)) == (401, "not_authenticated")


def test_token_of_a_page_is_refused(url: str, alice: User) -> None:
    client = fresh_client()
    client.force_login(alice)
    token = client.post("/session/socket-token", secure=True).json()["token"]
    assert code_of(post(url, Authorization=f"Bearer {token}")) == (401, "invalid_token")


def test_token_of_a_sign_in_opens_everything(url: str, alice: User) -> None:
    assert Agent(url, access_token_of(alice)).ask("list_tasks")["results"] == []


def test_revoked_token_is_refused_at_once(url: str, alice: User) -> None:
    token = token_of(alice)
    assert post(url, token).status_code == 200
    personal_tokens.revoke(actor=alice, token=PersonalToken.objects.get())
    assert code_of(post(url, token)) == (401, "invalid_token")


def test_user_who_was_deactivated_is_refused(url: str, alice: User) -> None:
    token = token_of(alice)
    User.objects.update(is_active=False)
    assert code_of(post(url, token)) == (401, "invalid_token")


@pytest.mark.parametrize("path", ["/mcp", "/mcp/"])
def test_both_forms_of_the_address_are_served(web: WebProcess, alice: User, path: str) -> None:
    agent = Agent(f"http://127.0.0.1:{web.port}{path}", token_of(alice))
    assert agent.ask("list_tasks")["results"] == []


def test_what_lies_below_is_nothing(url: str, alice: User) -> None:
    assert post(f"{url}/x", token_of(alice)).status_code == 404


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "PATCH", "HEAD", "OPTIONS"])
def test_there_are_no_sessions_to_listen_to_or_to_end(url: str, alice: User, method: str) -> None:
    headers = {"Authorization": f"Bearer {token_of(alice)}", "Accept": "text/event-stream"}
    response = httpx2.request(method, url, headers=headers)
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert httpx2.request(method, url).status_code == 401


def test_page_of_another_site_is_refused(url: str, alice: User) -> None:
    response = post(url, token_of(alice), Origin="https://evil.example")
    assert code_of(response) == (403, "forbidden_origin")
    assert post(url, token_of(alice), Origin="null").status_code == 403


def test_own_origin_is_welcome(web: WebProcess, url: str, alice: User) -> None:
    assert post(url, token_of(alice), Origin=f"http://127.0.0.1:{web.port}").status_code == 200


def test_host_of_somebody_else_is_refused(url: str, alice: User) -> None:
    assert code_of(post(url, token_of(alice), Host="rebound.example")) == (400, "bad_request")


def test_plain_http_is_refused_where_https_is_due(start_web: Any, alice: User) -> None:
    web = start_web(PERSONALQ_HTTPS="true", ALLOWED_HOSTS="127.0.0.1")
    assert code_of(post(f"http://127.0.0.1:{web.port}/mcp", token_of(alice))) == (403, "https_required")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "malformed_json"),
        (b"{", "malformed_json"),
        (b"[]", "malformed_json"),
        (b"[" * 40 + b"]" * 40, "malformed_json"),
        (b'{"a": 1, "a": 2}', "malformed_json"),
        (b'{"a": NaN}', "malformed_json"),
        (b'{"a": 1e999}', "malformed_json"),
        (b'{"a": "\\u0000"}', "malformed_json"),
        (b'{"a": "\xff"}', "malformed_json"),
        (json.dumps(message(many=[0] * 20_000)).encode(), "malformed_json"),
        (json.dumps(message(deep=json.loads("[" * 31 + "]" * 31))).encode(), "malformed_json"),
    ],
)
def test_json_is_read_strictly_before_anybody_else_reads_it(url: str, alice: User, body: bytes, code: str) -> None:
    assert code_of(post(url, token_of(alice), body)) == (400, code)


@pytest.mark.parametrize("content_type", ["text/plain", "application/json; charset=utf-16", "application/xml", ""])
def test_other_formats_are_refused(url: str, alice: User, content_type: str) -> None:
    response = post(url, token_of(alice), Content_Type=content_type)
    assert code_of(response) == (415, "unsupported_media_type")


def test_large_body_is_refused_before_it_is_read(url: str, alice: User) -> None:
    body = b'{"a": "' + b"a" * (3 * 1024 * 1024) + b'"}'
    assert code_of(post(url, token_of(alice), body)) == (413, "payload_too_large")


def test_stranger_may_send_less(url: str) -> None:
    assert code_of(post(url, body=b'"' + b"a" * 300_000 + b'"')) == (413, "payload_too_large")


def test_json_that_is_no_message_is_refused_in_the_protocols_words(url: str, alice: User) -> None:
    response = post(url, token_of(alice), {"jsonrpc": "2.0"})
    assert response.status_code == 400
    assert response.json()["error"]["code"] in {-32600, -32602}


def test_client_has_to_take_streams(url: str, alice: User) -> None:
    assert post(url, token_of(alice), Accept="text/html").status_code == 406


def test_every_answer_is_dressed(url: str, alice: User) -> None:
    for response in (post(url), post(url, token_of(alice)), post(url, token_of(alice), b"{")):
        assert response.headers["x-request-id"]
        assert "no-store" in response.headers["cache-control"]
        assert response.headers["content-security-policy"]
        for name, value in FIXED_HEADERS.items():
            assert response.headers[name] == value


def test_streams_pass_proxies_piece_by_piece(url: str, alice: User) -> None:
    response = post(url, token_of(alice))
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["x-accel-buffering"] == "no"


def access_lines(web: WebProcess, request_id: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in web.log.splitlines() if request_id in line and line.endswith("}")]
    return [line for line in lines if line["logger"] == "personalq.access"]


def test_access_line_tells_of_the_request_and_no_secret_is_logged(web: WebProcess, url: str, alice: User) -> None:
    token = token_of(alice)
    response = post(f"{url}?token={token}", token, message("tools/call", name="get_task", arguments={"task": token}))
    request_id = response.headers["x-request-id"]
    # It is written once the answer is out.
    wait_for(lambda: access_lines(web, request_id), "the line of the access log")
    [line] = access_lines(web, request_id)
    assert (line["path"], line["user"]) == ("/mcp", str(alice.uuid))
    assert token not in web.log


def test_calls_are_counted_for_each_user(start_web: Any, alice: User, bob: User) -> None:
    web = start_web(PERSONALQ_RATE_MCP="3/d")
    url, token = f"http://127.0.0.1:{web.port}/mcp", token_of(alice)
    assert [post(url, token).status_code for _ in range(4)] == [200, 200, 200, 429]
    refused = post(url, token_of(alice))
    assert code_of(refused) == (429, "rate_limited")
    assert int(refused.headers["retry-after"]) > 0
    assert refused.headers["ratelimit-policy"] == '"mcp";q=3;w=86400'
    assert refused.headers["ratelimit"].startswith('"mcp";r=0;t=')
    assert post(url, token_of(bob)).status_code == 200
