import json
import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.utils.module_loading import import_string
from pytest_django import Settings

from personalq.lib.csp import BROWSABLE_API_POLICY, NOTHING_POLICY, ContentPolicy
from personalq.lib.current_request import current_request_id
from personalq.lib.middleware import Edge
from personalq.lib.paths import is_api_path, is_machine_path
from personalq.lib.security_headers import FIXED_HEADERS
from tests.lib.urls import CANARY

pytestmark = pytest.mark.security

STATIC_FILE = f"{django_settings.STATIC_URL}admin/css/base.css"
PAGE_POLICY = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "font-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "object-src 'none'",
    "frame-ancestors 'none'",
    "manifest-src 'self'",
    "report-uri /csp-reports",
}


def complete(answer: Any) -> Any:
    """Read a static file to its end, which closes it."""
    if answer.streaming:
        answer.getvalue()
    return answer


def policy_of(answer: Any) -> set[str]:
    return {part.strip() for part in answer["Content-Security-Policy"].split(";")}


ANSWERS = [
    ("get", "/page", 200),
    ("get", "/page/redirect", 301),
    ("get", "/api/v1/raise/data", 400),
    ("post", "/api/v1/echo", 415),
    ("get", "/page/raise/suspicious", 400),
    ("get", "/api/v1/closed", 401),
    ("get", "/api/v1/raise/not-yours", 403),
    ("get", "/page/raise/denied", 403),
    ("get", "/no-such-page", 404),
    ("get", "/static/no-such-file.css", 404),
    ("get", STATIC_FILE, 200),
    ("get", "/api/v1/echo", 405),
    ("trace", "/page", 405),
    ("get", "/api/v1/raise/too-big", 413),
    ("post", "/page/raise/too-big", 413),
    ("get", "/api/v1/raise/limited", 429),
    ("get", "/page/raise/bug", 500),
    ("get", "/api/v1/raise/bug", 500),
    ("get", "/page/raise/database-away", 503),
]


@pytest.mark.usefixtures("loopback")
@pytest.mark.parametrize(("method", "path", "status"), ANSWERS)
def test_every_answer_carries_every_header(quiet_client: Client, method: str, path: str, status: int) -> None:
    answer = complete(getattr(quiet_client, method)(path))
    assert answer.status_code == status
    assert {name: answer[name] for name in FIXED_HEADERS} == dict(FIXED_HEADERS)
    assert "frame-ancestors 'none'" in policy_of(answer)
    assert "Cache-Control" in answer
    assert re.fullmatch(r"[0-9a-f]{32}", answer["X-Request-ID"])
    assert not {"Server", "X-Powered-By", "Access-Control-Allow-Origin"} & set(answer.headers)
    if answer["Content-Type"].startswith(("text/", "application/json", "application/problem")):
        assert "charset=utf-8" in answer["Content-Type"].replace('"', "")


class FailingLayer:
    """A layer with a bug, before or after the ones within have answered."""

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.headers.get("X-Fail") == "late":
            self._get_response(request)
        raise ZeroDivisionError(CANARY)


INNER_LAYERS = list(django_settings.MIDDLEWARE[2:])


@pytest.mark.usefixtures("loopback")
@pytest.mark.parametrize("when", ["early", "late"])
@pytest.mark.parametrize("place", range(len(INNER_LAYERS)), ids=[each.rpartition(".")[2] for each in INNER_LAYERS])
def test_layer_that_fails_takes_no_header_away(place: int, when: str, quiet_client: Client, settings: Settings) -> None:
    """A-116: the two outermost layers set them, so that it does not matter which one within them breaks."""
    layers = [*settings.MIDDLEWARE]
    layers[2 + place] = f"{__name__}.FailingLayer"
    settings.MIDDLEWARE = layers
    answer = quiet_client.get("/page", headers={"X-Fail": when, "Accept": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert {name: answer[name] for name in FIXED_HEADERS} == dict(FIXED_HEADERS)
    assert {"Content-Security-Policy", "Cache-Control", "X-Request-ID"} <= set(answer.headers)
    assert CANARY not in answer.content.decode()


@pytest.mark.parametrize(("method", "path"), [(method, path) for method, path, _ in ANSWERS])
@pytest.mark.usefixtures("production")
def test_every_answer_over_https_carries_hsts(quiet_client: Client, method: str, path: str) -> None:
    answer = complete(getattr(quiet_client, method)(path, secure=True))
    assert answer["Strict-Transport-Security"] == "max-age=63072000; includeSubDomains; preload"


@pytest.mark.usefixtures("loopback")
def test_loopback_has_no_hsts(quiet_client: Client) -> None:
    assert "Strict-Transport-Security" not in quiet_client.get("/page")


@pytest.mark.usefixtures("loopback")
class TestPolicies:
    def test_pages_load_only_their_own(self, quiet_client: Client) -> None:
        assert policy_of(quiet_client.get("/page")) == PAGE_POLICY
        assert policy_of(quiet_client.get("/no-such-page", headers={"Accept": "text/html"})) == PAGE_POLICY

    def test_data_loads_nothing(self, quiet_client: Client) -> None:
        for path in ("/api/v1/closed", "/api/v1/describe", "/page/describe", STATIC_FILE):
            assert complete(quiet_client.get(path))["Content-Security-Policy"] == NOTHING_POLICY

    def test_browsable_api_may_use_style_attributes_and_nothing_more(self) -> None:
        request = RequestFactory().get("/api/v1/x")
        response = ContentPolicy(lambda _: HttpResponse("<p>")).process_response(request, HttpResponse("<p>"))
        assert response["Content-Security-Policy"] == BROWSABLE_API_POLICY
        assert policy_of(response) == PAGE_POLICY | {"style-src-attr 'unsafe-inline'"}

    def test_no_policy_lets_inline_code_run(self) -> None:
        for policy in (BROWSABLE_API_POLICY, NOTHING_POLICY, "; ".join(PAGE_POLICY)):
            assert "unsafe-eval" not in policy
            assert "unsafe-inline" not in policy.replace("style-src-attr 'unsafe-inline'", "")

    def test_view_may_be_stricter(self, rf: RequestFactory) -> None:
        def view(_: HttpRequest) -> HttpResponse:
            return HttpResponse("<p>", headers={"Content-Security-Policy": "sandbox", "Cache-Control": "private"})

        response = Edge(view)(rf.get("/page"))
        assert response["Content-Security-Policy"] == "sandbox"
        assert response["Cache-Control"] == "private"

    def test_developers_pages_keep_their_styles(self, rf: RequestFactory, settings: Settings) -> None:
        settings.DEBUG = True
        response = Edge(lambda _: HttpResponse("<style>", status=500))(rf.get("/page"))
        assert "Content-Security-Policy" not in response


@pytest.mark.usefixtures("loopback")
class TestRequestId:
    def test_it_is_ours_alone(self, quiet_client: Client) -> None:
        answer = quiet_client.get("/page", headers={"X-Request-ID": CANARY})
        assert CANARY not in answer["X-Request-ID"]

    def test_each_request_has_its_own(self, quiet_client: Client) -> None:
        assert len({quiet_client.get("/page")["X-Request-ID"] for _ in range(5)}) == 5

    def test_code_within_the_request_sees_it(self, rf: RequestFactory) -> None:
        response = Edge(lambda _: HttpResponse(current_request_id()))(rf.get("/"))
        assert isinstance(response, HttpResponse)
        assert response.content.decode() == response["X-Request-ID"]


@pytest.mark.usefixtures("loopback")
class TestAccessLog:
    @pytest.fixture
    def fields(self, caplog: pytest.LogCaptureFixture, quiet_client: Client) -> Any:
        caplog.set_level(logging.INFO, "personalq.access")

        def ask(path: str, **headers: str) -> dict[str, Any]:
            caplog.clear()
            quiet_client.get(path, headers=headers)
            (record,) = [each for each in caplog.records if each.name == "personalq.access"]
            found: dict[str, Any] = record.fields  # type: ignore[attr-defined]
            return found

        return ask

    def test_line_says_what_happened(self, fields: Any) -> None:
        line = fields("/api/v1/closed")
        assert (line["method"], line["path"], line["status"], line["user"]) == (
            "GET",
            "/api/v1/closed",
            401,
            None,
        )
        assert line["duration_ms"] >= 0

    def test_query_and_credentials_are_not_in_it(self, fields: Any) -> None:
        line = fields(f"/api/v1/closed?token={CANARY}", Authorization=f"Bearer {CANARY}", Cookie=f"a={CANARY}")
        assert CANARY not in json.dumps(line)

    def test_path_is_bounded(self, fields: Any) -> None:
        assert len(fields("/" + "x" * 5000)["path"]) == 500


@pytest.mark.usefixtures("loopback")
class TestSlash:
    @pytest.mark.parametrize("path", ["/api/v1/describe", "/api/v1/describe/"])
    def test_api_works_with_and_without(self, quiet_client: Client, path: str) -> None:
        answer = quiet_client.get(path)
        assert (answer.status_code, answer.json()["path"]) == (200, "/api/v1/describe")

    def test_only_one_is_taken_off(self, quiet_client: Client) -> None:
        assert quiet_client.get("/api/v1/describe//").status_code == 401

    def test_body_survives(self, quiet_client: Client) -> None:
        answer = quiet_client.post("/api/v1/echo/", {"name": "a"}, content_type="application/json")
        assert answer.json() == {"name": "a"}

    def test_pages_keep_theirs(self, quiet_client: Client) -> None:
        assert quiet_client.get("/page/").status_code == 404


@pytest.mark.usefixtures("loopback")
class TestMethods:
    @pytest.mark.parametrize("method", ["TRACE", "CONNECT", "TRACK", "PROPFIND"])
    @pytest.mark.parametrize("path", ["/page", "/api/v1/describe", "/no-such-page"])
    def test_others_are_refused(self, quiet_client: Client, method: str, path: str) -> None:
        answer = quiet_client.generic(method, path)
        assert answer.status_code == 405
        assert "TRACE" not in answer["Allow"]
        assert method.encode() not in answer.content

    @pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
    def test_method_cannot_be_overridden(self, quiet_client: Client, name: str) -> None:
        answer = quiet_client.post("/api/v1/describe?_method=DELETE", {"_method": "DELETE"}, headers={name: "DELETE"})
        assert answer.wsgi_request.method == "POST"
        answer = quiet_client.get("/api/v1/echo", headers={name: "POST"})
        assert answer.status_code == 405


@pytest.mark.usefixtures("production")
class TestHttps:
    def test_page_is_redirected(self, quiet_client: Client) -> None:
        answer = quiet_client.get("/page?a=1")
        assert (answer.status_code, answer["Location"]) == (301, "https://testserver/page?a=1")

    @pytest.mark.parametrize("path", ["/api/v1/describe", "/api/", "/webhooks/x", "/mcp", "/ws/"])
    @pytest.mark.parametrize("method", ["get", "post"])
    def test_program_is_refused_and_never_redirected(self, quiet_client: Client, path: str, method: str) -> None:
        answer = getattr(quiet_client, method)(path)
        assert (answer.status_code, answer.json()["code"]) == (403, "https_required")

    @pytest.mark.parametrize("method", ["get", "post"])
    def test_voice_agent_is_refused_in_words(self, quiet_client: Client, method: str) -> None:
        answer = getattr(quiet_client, method)("/agent-tools")
        assert (answer.status_code, answer.json()["result"]["error"]) == (403, "https_required")
        assert answer.json()["say"]

    def test_https_is_served(self, quiet_client: Client) -> None:
        assert quiet_client.get("/api/v1/describe", secure=True).status_code == 200

    @pytest.mark.parametrize("value", ["https", "https, http", "HTTPS"])
    def test_stranger_cannot_claim_https(self, quiet_client: Client, production: Settings, value: str) -> None:
        production.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
        assert quiet_client.get("/api/v1/describe", headers={"X-Forwarded-Proto": value}).status_code == 403

    @pytest.mark.parametrize(
        ("value", "status"), [("https", 200), ("http, https", 200), ("https, http", 403), ("", 403)]
    )
    def test_proxy_of_ours_tells_the_scheme(
        self, quiet_client: Client, production: Settings, value: str, status: int
    ) -> None:
        production.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
        production.PERSONALQ_TRUSTED_PROXIES = ["127.0.0.1"]
        answer = quiet_client.get("/api/v1/describe", headers={"X-Forwarded-Proto": value})
        assert answer.status_code == status

    def test_other_words_of_strangers_about_themselves_are_dropped(self, quiet_client: Client) -> None:
        headers = dict.fromkeys(("X-Forwarded-For", "X-Forwarded-Host", "Forwarded", "X-Real-IP"), "x")
        seen = quiet_client.get("/page/describe", headers=headers, secure=True).json()["headers"]
        assert not [name for name in seen if "FORWARDED" in name or "REAL" in name]


@pytest.mark.parametrize(
    "path",
    [
        "/api",
        "/api/",
        "/api/v1/x",
        "//api/v1",
        "/ws/",
        "/webhooks/a",
        "/mcp",
        "/agent-tools",
        "/cursor-agents",
        "/cursor-agents/agents/",
    ],
)
def test_paths_of_programs(path: str) -> None:
    assert is_machine_path(path)


@pytest.mark.parametrize("path", ["/", "/apix", "/cursor-agentsx", "/apis/v1", "/tasks/api", "/admin/api/", "/wsx", ""])
def test_paths_of_people(path: str) -> None:
    assert not is_machine_path(path)
    assert not is_api_path(path)


def test_own_layers_make_the_stack_synchronous() -> None:
    innermost = import_string(django_settings.MIDDLEWARE[-1])
    assert getattr(innermost, "async_capable", False) is False
