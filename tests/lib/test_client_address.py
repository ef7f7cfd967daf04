from io import BytesIO

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from personalq.lib.client_address import (
    address_group,
    client_address,
    is_trusted_proxy,
    resolve_client_address,
    wider_address_group,
)

pytestmark = pytest.mark.security

PROXIES = ["10.0.0.0/8", "fd00::/8"]


@pytest.fixture
def proxied(settings: Settings) -> None:
    settings.PERSONALQ_TRUSTED_PROXIES = PROXIES


@pytest.fixture
def direct(settings: Settings) -> None:
    settings.PERSONALQ_TRUSTED_PROXIES = []


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("1.2.3.4", "1.2.3.4"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("2001:DB8::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("", "unknown"),
        ("not-an-ip", "unknown"),
        ("1.2.3.4:99", "unknown"),
        ("testclient", "unknown"),
    ],
)
def test_peer_is_the_client_without_proxies(direct: None, peer: str, address: str) -> None:
    request = RequestFactory().get("/", REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR="9.9.9.9")
    assert client_address(request) == address


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("10.0.0.1", "1.2.3.4", "1.2.3.4"),
        ("10.0.0.1", "6.6.6.6, 1.2.3.4", "1.2.3.4"),
        ("10.0.0.1", "6.6.6.6, 1.2.3.4, 10.0.0.2", "1.2.3.4"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "garbage", "10.0.0.1"),
        ("10.0.0.1", "1.2.3.4, garbage, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "1.2.3.4:5678", "1.2.3.4"),
        ("10.0.0.1", "[2001:db8::1]:443", "2001:db8::1"),
        ("10.0.0.1", "::ffff:1.2.3.4", "1.2.3.4"),
        ("::ffff:10.0.0.1", "1.2.3.4", "1.2.3.4"),
        ("fd00::1", "2001:db8::5", "2001:db8::5"),
        ("8.8.8.8", "1.2.3.4", "8.8.8.8"),
        ("10.0.0.1", "6.6.6.6," + "10.0.0.2," * 50 + "10.0.0.3", "10.0.0.2"),
    ],
)
def test_proxies_are_believed_from_the_right(proxied: None, peer: str, forwarded: str, address: str) -> None:
    assert resolve_client_address(peer, forwarded) == address


def test_unix_socket_is_trusted_only_when_listed(settings: Settings) -> None:
    settings.PERSONALQ_TRUSTED_PROXIES = []
    assert resolve_client_address("", "1.2.3.4") == "unknown"
    settings.PERSONALQ_TRUSTED_PROXIES = ["unix"]
    assert resolve_client_address("", "1.2.3.4") == "1.2.3.4"
    assert not is_trusted_proxy("127.0.0.1")


@pytest.mark.parametrize(
    ("address", "group"),
    [
        ("1.2.3.4", "1.2.3.4"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::9", "2001:db8:1:3::/64"),
        ("unknown", "unknown"),
    ],
)
def test_groups_of_rate_limits(address: str, group: str) -> None:
    assert address_group(address) == group


@pytest.mark.parametrize(
    ("address", "group"),
    [
        ("1.2.3.4", "1.2.3.4"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("2001:db8:1:ffff::9", "2001:db8:1::/48"),
        ("2001:db8:2::9", "2001:db8:2::/48"),
        ("unknown", "unknown"),
    ],
)
def test_wider_groups_of_rate_limits(address: str, group: str) -> None:
    assert wider_address_group(address) == group


def test_header_with_underscores_is_nobodys_word(proxied: None) -> None:
    scope = {
        "type": "http", "method": "GET", "path": "/", "client": ("10.0.0.1", 1),
        "headers": [(b"x_forwarded_for", b"6.6.6.6"), (b"x-forwarded-for", b"1.2.3.4")],
    }  # fmt: skip
    assert client_address(ASGIRequest(scope, BytesIO())) == "1.2.3.4"


def test_header_that_comes_twice_is_read_from_its_end(proxied: None) -> None:
    scope = {
        "type": "http", "method": "GET", "path": "/", "client": ("10.0.0.1", 1),
        "headers": [(b"x-forwarded-for", b"6.6.6.6"), (b"x-forwarded-for", b"1.2.3.4")],
    }  # fmt: skip
    assert client_address(ASGIRequest(scope, BytesIO())) == "1.2.3.4"


@given(st.text(max_size=50), st.text(max_size=100))
def test_no_header_breaks_it(peer: str, forwarded: str) -> None:
    assert resolve_client_address(peer, forwarded)
