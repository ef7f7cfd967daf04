"""Asking whether a password is known from a breach, over a real socket."""

import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings

from accounts import passwords
from accounts.models import User
from accounts.passwords.breaches import is_known
from personalq.lib.errors import InvalidInput
from tests.wire.breach_server import BreachServer, sha1
from tests.wire.server import Exchange, WireServer

pytestmark = pytest.mark.security

KNOWN = "correct horse battery staple"
UNKNOWN = "quite another ordinary sentence"


@pytest.fixture
def asked(settings: Settings) -> Iterator[Any]:
    """Starts a service and lets the product ask it."""
    with_service: list[Any] = []

    def start(service: Any, url: str = "") -> Any:
        with_service.append(service.__enter__())
        settings.PERSONALQ_INTERNAL_HOSTS = [getattr(service, "server", service).target]
        settings.PERSONALQ_BREACH_CHECK_URL = url or service.url
        return service

    yield start
    for each in with_service:
        each.__exit__(None, None, None)


def test_a_breached_password_is_refused(asked: Any) -> None:
    asked(BreachServer(KNOWN))
    with pytest.raises(InvalidInput) as refused:
        passwords.check(KNOWN, user=User(username="grace"))
    assert [each.code for each in refused.value.errors] == ["password_breached"]
    passwords.check(UNKNOWN, user=User(username="grace"))


def test_only_five_digits_leave_and_padding_is_asked_for(asked: Any) -> None:
    service = asked(BreachServer(KNOWN))
    assert is_known(KNOWN)
    (request,) = service.requests
    assert request.path == f"/range/{sha1(KNOWN)[:5]}"
    assert request.headers["add-padding"] == "true"
    assert request.body == b""
    assert sha1(KNOWN)[5:] not in str(request)


def test_an_entry_seen_no_times_is_padding(asked: Any) -> None:
    asked(BreachServer(padded=(UNKNOWN,)))
    assert not is_known(UNKNOWN)


@pytest.mark.parametrize(
    "answer", [{"status": 500}, {"status": 429}, {"body": b"<html>Welcome to the hotel</html>"}, {"body": b""}]
)
def test_without_a_good_answer_the_password_is_taken_and_the_log_says_so(
    asked: Any, answer: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    asked(BreachServer(KNOWN, **answer))
    with caplog.at_level(logging.WARNING, "personalq.accounts"):
        passwords.check(KNOWN, user=User(username="grace"))
    assert "was not looked up among breached ones: bad_answer" in caplog.text
    assert sha1(KNOWN)[:5] not in caplog.text
    assert KNOWN not in caplog.text


async def _silence(exchange: Exchange) -> None:
    await exchange.gone()


def test_a_silent_service_holds_nobody_up(asked: Any, caplog: pytest.LogCaptureFixture) -> None:
    service = WireServer(_silence)
    asked(service, f"{service.url}/range")
    started = time.monotonic()
    with caplog.at_level(logging.WARNING, "personalq.accounts"):
        passwords.check(KNOWN, user=User(username="grace"))
    assert time.monotonic() - started < 5
    assert "too_slow" in caplog.text


def test_nobody_is_asked_unless_the_operator_says_whom(asked: Any, settings: Settings) -> None:
    service = asked(BreachServer(KNOWN))
    settings.PERSONALQ_BREACH_CHECK_URL = ""
    passwords.check(KNOWN, user=User(username="grace"))
    assert service.requests == []


def test_other_rules_hold_while_the_service_is_away(asked: Any) -> None:
    asked(BreachServer(status=500))
    with pytest.raises(InvalidInput):
        passwords.check("short", user=User(username="grace"))
