"""TLS of the installation and of its servers, on real sockets."""

import datetime as dt
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from personalq.lib.inspections import transport
from personalq.lib.inspections.transport import judge_redis_url
from tests.inspections.looking import grade_of, look
from tests.wire.authority import Authority
from tests.wire.server import WireServer, answering

pytestmark = pytest.mark.security


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.file))
    return made


def graded(name: str, context: ssl.SSLContext) -> str:
    with WireServer(answering(), tls=context) as server:
        return grade_of(name, url=server.url)


def test_a_good_certificate_is_good(authority: Authority) -> None:
    assert graded("tls.certificate", authority.context("localhost")) == "ok"


@pytest.mark.parametrize(
    "wrong", [{"names": ["elsewhere.example.org"]}, {"is_expired": True}, {"is_self_signed": True}]
)
def test_a_certificate_that_browsers_refuse_is_critical(authority: Authority, wrong: dict[str, Any]) -> None:
    context = authority.context(*wrong.pop("names", ["localhost"]), **wrong)
    assert graded("tls.certificate", context) == "critical"


def test_a_certificate_that_ends_soon_is_told(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "SOON", dt.timedelta(days=60))
    assert graded("tls.certificate", authority.context("localhost")) == "medium"


@contextmanager
def speaking_plainly() -> Iterator[int]:
    """The port of a server that answers whatever comes without TLS, once."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        yield server.getsockname()[1]
        thread.join(10)


def test_a_server_without_tls_on_its_port_is_critical_and_one_that_is_gone_unknown(authority: Authority) -> None:
    with speaking_plainly() as port:
        assert grade_of("tls.certificate", url=f"https://localhost:{port}") == "critical"
    result = look("tls.certificate", url=f"https://localhost:{port}")
    assert (result.grade, "Not checked" in result.sentence) == ("medium", True)


def test_an_address_of_others_without_tls_is_high() -> None:
    assert grade_of("tls.certificate", url="http://queue.example.org") == "high"
    assert grade_of("tls.certificate", url="http://127.0.0.1:8000") == "info"


def test_old_versions_of_tls_are_found(authority: Authority) -> None:
    new, old = authority.context("localhost"), authority.context("localhost")
    new.minimum_version = ssl.TLSVersion.TLSv1_2
    assert graded("tls.versions", new) == "ok"
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.minimum_version = ssl.TLSVersion.TLSv1
    assert graded("tls.versions", old) == "medium"


@pytest.mark.parametrize(
    ("host", "options", "grade"),
    [
        ("", {}, "ok"),
        ("/run/postgresql", {}, "ok"),
        ("127.0.0.1", {}, "ok"),
        ("db.example.org", {"sslmode": "verify-full"}, "ok"),
        ("db.example.org", {"sslmode": "require"}, "medium"),
        ("db.example.org", {"sslmode": "prefer"}, "high"),
        ("db.example.org", {}, "high"),
    ],
)
def test_the_way_to_postgresql(host: str, options: dict[str, str], grade: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "HOST", host)
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", options)
    assert grade_of("tls.database") == grade


@pytest.mark.parametrize(
    ("url", "grade"),
    [
        ("unix:///run/redis.sock?db=1", "ok"),
        ("redis://:p@127.0.0.1:6379/1", "ok"),
        ("redis://:p@cache.example.org:6379/1", "high"),
        ("rediss://:p@cache.example.org:6379/1?ssl_cert_reqs=required", "ok"),
        ("rediss://:p@cache.example.org:6379/1?ssl_cert_reqs=none", "medium"),
    ],
)
def test_the_way_to_redis(url: str, grade: str, settings: Any) -> None:
    settings.REDIS_CACHE_URL = url
    assert judge_redis_url(url).grade == grade
    assert grade_of("tls.redis") == grade
