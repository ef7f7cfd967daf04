"""What the inspections say about an installation that answers badly. A good one: test_two_roles.py."""

from collections.abc import Mapping
from typing import Any

import pytest

from personalq.lib import open_routes, probing
from personalq.lib.inspections.served import faults_of, faults_of_cookie
from personalq.lib.probing import Answer
from personalq.lib.security_headers import FIXED_HEADERS
from tests.inspections.looking import grade_of, look
from tests.wire.server import Exchange, WireServer

pytestmark = pytest.mark.security

GOOD = {
    **FIXED_HEADERS,
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
GOOD_COOKIE = "__Host-csrf=x; Path=/; Secure; HttpOnly; SameSite=Lax"


@pytest.fixture(autouse=True)
def local(settings: Any) -> Any:
    settings.PERSONALQ_HTTPS = False
    settings.SECURE_HSTS_SECONDS = 0
    return settings


def serving(headers: Mapping[str, str], status: int = 200) -> WireServer:
    async def handle(exchange: Exchange) -> None:
        await exchange.answer(status, headers)

    return WireServer(handle)


def answer(headers: Mapping[str, str]) -> Answer:
    return Answer(status=200, headers={name.lower(): [value] for name, value in headers.items()})


def test_an_installation_that_is_not_there_or_refuses_the_name_is_told() -> None:
    with serving({}, 400) as server:
        result = look("served.reachable", url=server.url)
    assert (result.grade, "answered 400" in result.sentence) == ("high", True)
    gone = look("served.reachable", url=server.url)
    assert (gone.grade, "Nothing answers" in gone.sentence) == ("high", True)
    with serving(GOOD) as server:
        assert grade_of("served.reachable", url=server.url) == "ok"


@pytest.mark.parametrize("name", ["served.headers", "served.cookies", "served.routes", "served.methods"])
def test_what_cannot_be_asked_is_never_called_good(name: str, settings: Any) -> None:
    result = look(name, url="http://127.0.0.1:1")
    assert (result.grade, result.sentence.startswith("Not checked")) == ("medium", True)
    settings.PERSONALQ_HTTPS = True
    assert "https address" in look(name, url="http://127.0.0.1:1").sentence
    assert grade_of(name) == "medium"


def test_good_headers_have_no_faults() -> None:
    assert list(faults_of("page", answer(GOOD))) == []


@pytest.mark.parametrize("name", [*FIXED_HEADERS, "Content-Security-Policy", "Cache-Control"])
def test_each_missing_header_is_found(name: str) -> None:
    headers = {each: value for each, value in GOOD.items() if each != name}
    assert [fault for fault in faults_of("page", answer(headers)) if name in fault]
    with serving(headers) as server:
        assert grade_of("served.headers", url=server.url) in {"medium", "high"}


@pytest.mark.parametrize(
    "more",
    [
        {"Access-Control-Allow-Origin": "*"},
        {"X-Powered-By": "something"},
        {"Server": "nginx/1.22.1"},
        {"Server": "Apache 2.4"},
        {"Content-Security-Policy": "default-src 'none'; script-src 'unsafe-inline'; frame-ancestors 'none'"},
        {"Content-Security-Policy": "default-src *; frame-ancestors 'none'"},
        {"X-XSS-Protection": "1; mode=block"},
    ],
)
def test_headers_that_open_or_tell_something_are_found(more: dict[str, str]) -> None:
    """X-CORS: whoever adds Access-Control-Allow-Origin in front of the product."""
    assert list(faults_of("page", answer({**GOOD, **more})))


def test_a_proxy_that_says_its_bare_name_is_let_be() -> None:
    assert list(faults_of("page", answer({**GOOD, "Server": "nginx"}))) == []


def test_missing_hsts_is_found_with_https(settings: Any) -> None:
    settings.SECURE_HSTS_SECONDS = 1000
    assert list(faults_of("page", answer(GOOD))) == ["Strict-Transport-Security is missing"]
    assert not list(faults_of("page", answer({**GOOD, "Strict-Transport-Security": "max-age=1000"})))


@pytest.mark.parametrize("part", ["Secure", "HttpOnly", "SameSite=Lax"])
def test_each_missing_part_of_a_cookie_is_found(part: str, settings: Any) -> None:
    settings.PERSONALQ_HTTPS = True
    assert list(faults_of_cookie(GOOD_COOKIE)) == []
    assert list(faults_of_cookie(GOOD_COOKIE.replace(f"; {part}", "")))
    assert list(faults_of_cookie(GOOD_COOKIE.replace("__Host-", "")))
    assert list(faults_of_cookie(f"{GOOD_COOKIE}; Domain=example.org"))


def test_cookies_are_judged_as_they_are_served() -> None:
    with serving({**GOOD, "Set-Cookie": "csrf=x; Path=/; SameSite=Lax"}) as server:
        result = look("served.cookies", url=server.url)
    assert (result.grade, "HttpOnly" in result.sentence, "=x" in result.sentence) == ("high", True, False)
    with serving({**GOOD, "Set-Cookie": "csrf=x; Path=/; HttpOnly; SameSite=Lax"}) as server:
        assert grade_of("served.cookies", url=server.url) == "ok"


def test_a_route_that_answers_strangers_is_critical() -> None:
    async def handle(exchange: Exchange) -> None:
        is_hole = exchange.request.path == "/api/v1/me" and exchange.request.method == "GET"
        await exchange.answer(200 if is_hole else 401)

    with WireServer(handle) as server:
        result = look("served.routes", url=server.url)
    assert result.grade == "critical"
    assert result.facts["routes"] == ["GET /api/v1/me (api-me)"]


def test_routes_that_refuse_are_good_and_every_route_is_asked() -> None:
    with serving({}, 401) as server:
        assert grade_of("served.routes", url=server.url) == "ok"
        asked = {(each.method, each.path) for each in server.requests}
    made, failed = open_routes.addresses()
    assert failed == []
    assert len(asked) >= len({each.path for each in made}) * 3


def test_trace_is_found() -> None:
    with serving({}) as server:
        assert grade_of("served.methods", url=server.url) == "medium"
    with serving({}, 405) as server:
        assert grade_of("served.methods", url=server.url) == "ok"


def test_a_stranger_brings_no_credentials_and_follows_nothing() -> None:
    with serving({"Location": "http://127.0.0.1:1/"}, 302) as server, probing.Prober(server.url) as prober:
        assert prober.ask("GET", "/x").status == 302
        (request,) = server.requests
    assert not {"authorization", "cookie"} & set(request.headers)
