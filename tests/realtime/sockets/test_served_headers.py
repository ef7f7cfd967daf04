"""Headers as the shipped server really sends them, also where no view has a part in the answer (A-108 to A-121)."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.conf import settings

from personalq.serving import refusals
from tests.lib.header_rules import Headers
from tests.realtime.sockets.raw import Line, head
from tests.realtime.sockets.serving import WebProcess

pytestmark = [pytest.mark.security, pytest.mark.django_db(transaction=True)]
HOST = "q.example.org"
JSON = "Content-Type: application/json"
UPGRADE = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")


@dataclass(frozen=True)
class Case:
    """One request, and the status of the answer."""

    line: str
    status: int
    fields: tuple[str, ...] = ()
    host: str = HOST
    of_server: bool = False
    """Answered before anybody knows whether the client came by TLS."""
    may_be_stored: bool = False

    def sent(self, *, https: bool) -> bytes:
        told = ("X-Forwarded-Proto: https",) if https else ()
        last = () if "Upgrade: websocket" in self.fields else ("Connection: close",)
        return head(f"{self.line} HTTP/1.1", f"Host: {self.host}", *told, *self.fields, *last)


CASES = {
    "page": Case("GET /sign-in", 200),
    "page that leads elsewhere": Case("GET /tasks", 302),
    "page that is not there": Case("GET /nothing", 404),
    "page of another host": Case("GET /sign-in", 400, host="evil.example"),
    "form without its token": Case("POST /sign-in", 403, ("Content-Length: 0",)),
    "method nobody answers": Case("PROPFIND /sign-in", 405),
    "admin": Case("GET /admin/", 302),
    "browsable API": Case("GET /api/v1/tasks", 401, ("Accept: text/html",)),
    "API": Case("GET /api/v1/tasks", 401),
    "API of another host": Case("GET /api/v1/tasks", 400, host="evil.example"),
    "static file": Case(f"GET {settings.STATIC_URL}css/app.css", 200, may_be_stored=True),
    "static file, unchanged": Case(
        f"GET {settings.STATIC_URL}css/app.css",
        304,
        ("If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT",),
        may_be_stored=True,
    ),
    "static file that is not there": Case(f"GET {settings.STATIC_URL}css/none.css", 404),
    "body too large for a page": Case("POST /sign-in", 413, ("Accept: text/html", "Content-Length: 9999999")),
    "body too large for the API": Case("POST /api/v1/tasks", 413, (JSON, "Content-Length: 9999999")),
    "two hosts": Case("GET /", 400, ("Host: evil.example",)),
    "MCP": Case("POST /mcp", 401, (JSON, "Content-Length: 0")),
    "MCP of another host": Case("POST /mcp", 400, (JSON, "Content-Length: 0"), host="evil.example"),
    "MCP from another page": Case("POST /mcp", 403, (JSON, "Content-Length: 0", "Origin: https://evil.example")),
    "liveness": Case("GET /healthz", 200),
    "readiness": Case("GET /readyz", 503),
    "report of a policy": Case("POST /csp-reports", 415, ("Content-Length: 0",)),
    "no HTTP": Case("GET / x", 400, of_server=True),
    "head too large": Case("GET /", 431, ("X: " + "x" * 70_000,), of_server=True),
    "socket of another version": Case("GET /ws/", 400, (*UPGRADE, "Sec-WebSocket-Version: 9"), of_server=True),
    "socket without a key": Case("GET /ws/", 400, ("Connection: Upgrade", "Upgrade: websocket"), of_server=True),
}


class Served(WebProcess):
    """The web process of one environment; with HTTPS it stands behind a proxy that says so."""

    def __init__(self, directory: Path, *, https: bool) -> None:
        self.https = https
        proxies, hosts = ("127.0.0.1", HOST) if https else ("", f"127.0.0.1,{HOST}")
        super().__init__(
            directory,
            PERSONALQ_HTTPS=str(https).lower(),
            ALLOWED_HOSTS=hosts,
            PERSONALQ_TRUSTED_PROXIES=proxies,
        )


@pytest.fixture(scope="module", params=["development", "production"])
def web(
    request: pytest.FixtureRequest, django_db_setup: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("headers"), https=request.param == "production") as process:
        yield process


def test_refusal_for_want_of_connections_carries_every_header() -> None:
    answer_head, _, body = refusals.as_bytes(refusals.no_connection_to_spare()).partition(b"\r\n\r\n")
    assert answer_head.startswith(b"HTTP/1.1 503")
    headers = Headers.of_wire(answer_head)
    assert headers.faults(https=False) == []
    assert (json.loads(body)["code"], headers.one("Retry-After")) == ("unavailable", "5")


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_answer_carries_every_header(case: Case, web: Served) -> None:
    https = web.https
    with Line(web) as line:
        line.say(case.sent(https=https))
        heard = line.hear_all()
    answer_head = heard.partition(b"\r\n\r\n")[0]
    assert int(answer_head.split()[1]) == case.status, heard[:2000]
    faults = Headers.of_wire(answer_head).faults(https=https and not case.of_server, may_be_stored=case.may_be_stored)
    assert faults == []
    assert b"Traceback" not in heard


class TestOriginsOfOtherSites:
    """A-114, A-120: no answer lets a page of another site read it, whatever it asks and claims to be."""

    ORIGINS = (
        "null",
        "https://evil.example",
        f"https://{HOST}",
        f"http://{HOST}",
        f"https://{HOST}.evil.example",
        f"https://evil{HOST}",
        f"https://{HOST}:8443",
        f"https://sub.{HOST}",
        f"https://{HOST}@evil.example",
    )
    PATHS = ("/sign-in", "/api/v1/tasks", "/api/v1/auth/token", "/mcp", "/readyz", "/csp-reports", "/ws/")

    @pytest.mark.parametrize("origin", ORIGINS)
    @pytest.mark.parametrize("path", [*PATHS, f"{settings.STATIC_URL}css/app.css"])
    def test_preflight_and_request_are_allowed_nothing(self, path: str, origin: str, web: Served) -> None:
        preflight = (
            f"Origin: {origin}",
            "Access-Control-Request-Method: POST",
            "Access-Control-Request-Headers: authorization, content-type",
            "Access-Control-Request-Private-Network: true",
        )
        for line, fields in ((f"OPTIONS {path}", preflight), (f"GET {path}", preflight[:1])):
            with Line(web) as connection:
                connection.say(Case(line, 0, fields).sent(https=web.https))
                answer_head = connection.hear_all().partition(b"\r\n\r\n")[0]
            assert b"access-control-" not in answer_head.lower()
            assert b"cross-origin-resource-policy: same-origin" in answer_head.lower()
