"""Request smuggling against the server as it is shipped: no bytes of one request become another one (V4.2.1).

Behind a proxy one connection carries requests of different people, so a request that begins where only one of the two
sees a beginning would be answered to somebody else, or be carried out with nobody having looked at it.
"""

import json
import re
from collections.abc import Iterator

import pytest

from accounts import tokens
from accounts.models import AuditEvent, TokenFamily, User
from tests.lib.header_rules import Headers
from tests.makers import make_user
from tests.realtime.sockets.raw import Line, head
from tests.realtime.sockets.serving import WebProcess
from tests.realtime.sockets.smuggling_table import (
    ENDS,
    HARMLESS,
    INNER,
    INNER_PATH,
    LAST,
    OUTER_PATH,
    REFUSED,
    USERNAME,
)

pytestmark = [pytest.mark.security, pytest.mark.django_db(transaction=True)]
PROXY_SAYS = "203.0.113.9"
CLIENT_SAYS = "198.51.100.66"


@pytest.fixture(scope="module")
def edge(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProcess]:
    directory = tmp_path_factory.mktemp("smuggling")
    with WebProcess(directory, arguments=("--head-seconds", "2"), PERSONALQ_TRUSTED_PROXIES="127.0.0.1") as web:
        yield web
        assert web.complaints == []


@pytest.fixture(autouse=True)
def alice(transactional_db: None) -> User:
    """The one whose name and password the hidden request holds."""
    return make_user(USERNAME)


class Exchange:
    """What came back for some bytes, and what was done about them."""

    def __init__(self, web: WebProcess, sent: bytes) -> None:
        before = len(web.log)
        with Line(web) as line:
            line.say(sent)
            self.heard = line.hear_all()
        self.statuses = [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3})", self.heard)]
        self.log = web.log[before:]

    def has_carried_out(self, path: str) -> bool:
        return any(each.startswith(path) for each in self.told("path"))

    def told(self, member: str) -> set[str]:
        """What the log says of one thing."""
        lines = [json.loads(line) for line in self.log.splitlines()]
        return {line[member] for line in lines if member in line}


def nobody_has_signed_in() -> bool:
    return not TokenFamily.objects.exists() and not AuditEvent.objects.exists()


@pytest.mark.parametrize("sent", REFUSED.values(), ids=REFUSED.keys())
def test_what_can_be_read_in_two_ways_is_refused_and_ends_the_connection(sent: bytes, edge: WebProcess) -> None:
    exchange = Exchange(edge, sent + LAST)
    assert exchange.statuses == [400]
    headers = Headers.of_wire(exchange.heard.partition(b"\r\n\r\n")[0])
    assert headers.one("Connection") == "close"
    assert headers.faults(https=False) == []
    assert json.loads(exchange.heard.partition(b"\r\n\r\n")[2])["code"] == "bad_request"
    assert not exchange.has_carried_out(INNER_PATH)
    assert nobody_has_signed_in()


@pytest.mark.parametrize(("sent", "status"), HARMLESS.values(), ids=HARMLESS.keys())
def test_what_has_one_reading_is_answered_once(sent: bytes, status: int, edge: WebProcess) -> None:
    exchange = Exchange(edge, sent + LAST)
    assert exchange.statuses == [status, 200]
    assert b"evil" not in exchange.heard.lower()
    assert exchange.heard.count(b'{"status": "ok"}') == 1
    assert not exchange.has_carried_out(INNER_PATH)
    assert nobody_has_signed_in()


@pytest.mark.parametrize("sent", ENDS.values(), ids=ENDS.keys())
def test_what_follows_the_end_is_not_read(sent: bytes, edge: WebProcess) -> None:
    exchange = Exchange(edge, sent + LAST)
    assert len(exchange.statuses) <= 1
    assert not exchange.has_carried_out(INNER_PATH)
    assert nobody_has_signed_in()


def test_refusal_of_garbage_is_never_taken_for_the_answer_to_the_request_before(edge: WebProcess) -> None:
    exchange = Exchange(edge, head("GET /outer HTTP/1.1", "Host: localhost") + b"\x00 no request at all\r\n\r\n")
    assert 400 not in exchange.statuses


def test_the_hidden_request_is_carried_out_where_it_stands_openly(edge: WebProcess) -> None:
    """What the other tests find absent is found here."""
    exchange = Exchange(edge, head("GET /outer HTTP/1.1", "Host: localhost") + INNER + LAST)
    assert exchange.statuses == [404, 200, 200]
    assert exchange.has_carried_out(OUTER_PATH)
    assert exchange.has_carried_out(INNER_PATH)
    assert TokenFamily.objects.count() == 1


def test_request_after_somebody_elses_is_nobodys(edge: WebProcess, alice: User) -> None:
    access = tokens.issue_pair(alice).access
    hers = head("GET /api/v1/me HTTP/1.1", "Host: localhost", f"Authorization: Bearer {access}")
    strangers = head("GET /api/v1/me HTTP/1.1", "Host: localhost", "Connection: close")
    exchange = Exchange(edge, hers + strangers)
    assert exchange.statuses == [200, 401]
    assert exchange.heard.count(USERNAME.encode()) == 1


class TestFieldsThatPassedNoProxy:
    """A proxy sets fields of the head. What comes after the body, or under an almost equal name, is the client's."""

    def test_trailer_signs_nobody_in(self, edge: WebProcess, alice: User) -> None:
        access = tokens.issue_pair(alice).access
        whole = head("POST /api/v1/agents HTTP/1.1", "Host: localhost", "Transfer-Encoding: chunked")
        whole += b"0\r\nAuthorization: Bearer " + access.encode() + b"\r\n\r\n"
        assert Exchange(edge, whole + LAST).statuses == [401, 200]

    @pytest.mark.parametrize(
        ("fields", "trailer"),
        [
            ([f"X-Forwarded-For: {CLIENT_SAYS}", f"X-Forwarded-For: {PROXY_SAYS}"], ""),
            ([f"X-Forwarded-For: {CLIENT_SAYS}, {PROXY_SAYS}"], ""),
            ([f"X-Forwarded-For: {PROXY_SAYS}", f"X_Forwarded_For: {CLIENT_SAYS}"], ""),
            ([f"X-Forwarded-For: {PROXY_SAYS}", f"X-Forwarded_For: {CLIENT_SAYS}"], ""),
            ([f"X-Forwarded-For: {PROXY_SAYS}"], f"X-Forwarded-For: {CLIENT_SAYS}\r\n"),
        ],
        ids=["before the proxy's", "in one field", "with underscores", "with one underscore", "in the trailer"],
    )
    def test_address_is_the_one_that_the_proxy_tells(self, fields: list[str], trailer: str, edge: WebProcess) -> None:
        body = json.dumps({"username": USERNAME, "password": "no password of hers"})
        common = ["Host: localhost", "Content-Type: application/json", "Transfer-Encoding: chunked"]
        whole = head(f"POST {INNER_PATH} HTTP/1.1", *common, *fields)
        whole += f"{len(body):x}\r\n{body}\r\n0\r\n{trailer}\r\n".encode()
        exchange = Exchange(edge, whole + LAST)
        assert exchange.statuses == [401, 200]
        assert exchange.told("address") == {PROXY_SAYS}
