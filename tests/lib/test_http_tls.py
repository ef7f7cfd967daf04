"""Who the other side is: proved by a certificate for its name, or there is no call."""

import ssl
from pathlib import Path

import pytest
from pytest_django import Settings

from personalq.lib.http import Limits, fetch
from personalq.lib.outbound import trust
from tests.lib.outbound.inside import inside, reason_of
from tests.wire.authority import Authority
from tests.wire.server import Exchange, WireServer, answering

pytestmark = pytest.mark.security


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    authority = Authority(tmp_path)
    authority.be_trusted(monkeypatch)
    return authority


async def test_valid_certificate_is_accepted(authority: Authority, settings: Settings) -> None:
    with inside(settings, answering(200, b"proved"), tls=authority.context()) as server:
        assert (await fetch("GET", server.url)).body == b"proved"
        assert server.requests[0].server_name == "localhost"


async def test_valid_certificate_is_accepted_by_strict_verification(authority: Authority, settings: Settings) -> None:
    # What Python 3.13 and later do by themselves.
    trust.tls_context().verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
    with inside(settings, answering(200, b"proved"), tls=authority.context()) as server:
        assert (await fetch("GET", server.url)).body == b"proved"


async def test_certificate_for_an_address_is_accepted(authority: Authority, settings: Settings) -> None:
    with WireServer(answering(200, b"proved"), tls=authority.context("127.0.0.1"), name="127.0.0.1") as server:
        settings.PERSONALQ_INTERNAL_HOSTS = [server.target]
        assert (await fetch("GET", server.url)).body == b"proved"


@pytest.mark.parametrize(
    "names", [("other.example.com",), ("127.0.0.1",), ("localhost.example.com",), ("*.localhost",)], ids=str
)
async def test_wrong_name_is_refused(names: tuple[str, ...], authority: Authority, settings: Settings) -> None:
    with inside(settings, answering(), tls=authority.context(*names)) as server:
        assert await reason_of(server.url) == "tls_error"
        assert server.requests == []


async def test_expired_certificate_is_refused(authority: Authority, settings: Settings) -> None:
    with inside(settings, answering(), tls=authority.context(is_expired=True)) as server:
        assert await reason_of(server.url) == "tls_error"
        assert server.requests == []


async def test_self_signed_certificate_is_refused(authority: Authority, settings: Settings) -> None:
    with inside(settings, answering(), tls=authority.context(is_self_signed=True)) as server:
        assert await reason_of(server.url) == "tls_error"
        assert server.requests == []


async def test_unknown_authority_is_refused(tmp_path: Path, settings: Settings) -> None:
    with inside(settings, answering(), tls=Authority(tmp_path).context()) as server:
        assert await reason_of(server.url) == "tls_error"
        assert server.requests == []


async def test_old_tls_is_refused(authority: Authority, settings: Settings) -> None:
    context = authority.context()
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with inside(settings, answering(), tls=context) as server:
        # Whether the alert or the end of the connection comes first is up to the machine.
        assert await reason_of(server.url) in {"tls_error", "unreachable"}
        assert server.requests == []


async def test_server_without_tls_is_refused(settings: Settings) -> None:
    async def plain(exchange: Exchange) -> None:
        await exchange.answer()

    with inside(settings, plain) as server:
        assert await reason_of(server.url.replace("http:", "https:"), limits=Limits(connect_seconds=2)) in {
            "tls_error",
            "unreachable",
        }


def test_context_verifies_name_and_certificate() -> None:
    context = trust.tls_context()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


async def test_session_keys_are_not_written_down(
    authority: Authority, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    authority.be_trusted(monkeypatch)
    with inside(settings, answering(), tls=authority.context()) as server:
        await fetch("GET", server.url)
    assert not (tmp_path / "keys").exists()
