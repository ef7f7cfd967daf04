"""Who gets into a socket, with what, and for how long."""

import time
from datetime import datetime
from typing import Any

import pytest
from django.test import RequestFactory

from accounts import one_time_codes, passwords, tokens
from accounts.models import TokenFamily, User
from accounts.passwords import resets
from personalq.lib.errors import InvalidToken
from tests.accounts.clients import SecureClient
from tests.realtime.sockets.conftest import Connect, StartWeb
from tests.realtime.sockets.serving import WebProcess
from tests.realtime.sockets.talking import PATIENCE_SECONDS, token_for_seconds, token_of

pytestmark = [pytest.mark.security, pytest.mark.django_db(transaction=True)]


def test_first_message_signs_in(connect: Connect, alice: User) -> None:
    answer = connect().sign_in(token_of(alice))
    assert answer["user"] == {"uuid": str(alice.uuid), "username": "alice"}
    assert answer["expires_at"].endswith("Z")
    assert datetime.fromisoformat(answer["expires_at"]).timestamp() > time.time()
    assert answer["last_event_id"] >= 0


def refresh_token(user: User) -> str:
    return tokens.issue_pair(user).refresh


def forged_token(user: User) -> str:
    return token_of(user)[:-4] + "AAAA"


def expired_token(user: User) -> str:
    return token_for_seconds(user, -1)


def token_of_ended_sign_in(user: User) -> str:
    token = token_of(user)
    for family in TokenFamily.objects.filter(user=user):
        tokens.revoke(family, "sign-out")
    return token


def token_of_deactivated_user(user: User) -> str:
    token = token_of(user)
    User.objects.filter(pk=user.pk).update(is_active=False)
    return token


def nonsense(_: User) -> str:
    return "é" * 100


BAD_TOKENS: list[Any] = [
    refresh_token, forged_token, expired_token, token_of_ended_sign_in, token_of_deactivated_user, nonsense,
]  # fmt: skip


@pytest.mark.parametrize("make_token", BAD_TOKENS)
def test_bad_token_closes_with_4401(make_token: Any, connect: Connect, alice: User) -> None:
    client = connect()
    client.say("auth", token=make_token(alice))
    assert client.end() == (4401, "invalid_token")


@pytest.mark.parametrize("message", [{"action": "ping"}, {"action": "subscribe", "to": "all"}])
def test_nothing_is_answered_before_sign_in(message: dict[str, str], connect: Connect) -> None:
    client = connect()
    client.say(**message)
    assert client.end() == (4401, "not_authenticated")


def test_silence_closes_with_4408_after_five_seconds(connect: Connect) -> None:
    began = time.monotonic()
    client = connect()
    connected = time.monotonic()
    assert client.end() == (4408, "authentication_timeout")
    assert time.monotonic() - began >= 4.9
    assert time.monotonic() - connected < 10


def test_token_in_the_address_gives_nothing(connect: Connect, web: WebProcess, alice: User) -> None:
    client = connect(url=f"{web.url}?token={token_of(alice)}")
    client.say("subscribe", to="all")
    assert client.end() == (4401, "not_authenticated")


def test_tokens_reach_no_log(start_web: StartWeb, connect: Connect, alice: User) -> None:
    web = start_web(LOG_LEVEL="DEBUG")
    good, bad, misplaced = token_of(alice), forged_token(alice), token_of(alice)
    connect(url=web.url).sign_in(good)
    for url in (web.url, f"{web.url}?token={misplaced}"):
        client = connect(url=url)
        client.say("auth", token=bad)
        assert client.end() == (4401, "invalid_token")
    assert web.log.count("[accepted]") == 3
    for token in (good, bad, misplaced):
        assert token.split(".")[1] not in web.log


def test_token_of_a_page_opens_the_socket_and_ends_with_its_session(connect: Connect, alice: User) -> None:
    browser = SecureClient()
    browser.force_login(alice)
    first, second = (browser.post("/session/socket-token").json()["token"] for _ in range(2))
    client = connect()
    assert client.sign_in(first)["user"]["username"] == "alice"
    assert client.sign_in(second)["user"]["username"] == "alice"
    browser.post("/sign-out")
    assert client.end() == (4401, "signed_out")


def test_expiry_closes_the_socket(connect: Connect, alice: User) -> None:
    client = connect()
    expires_at = datetime.fromisoformat(client.sign_in(token_for_seconds(alice, 6))["expires_at"]).timestamp()
    assert client.end() == (4401, "token_expired")
    assert -0.1 <= time.time() - expires_at <= 5


def test_fresh_token_of_the_same_user_keeps_the_socket_open(connect: Connect, alice: User) -> None:
    client = connect()
    first = client.sign_in(token_for_seconds(alice, 3))
    second = client.sign_in(token_for_seconds(alice, 6))
    assert second["expires_at"] > first["expires_at"]
    assert client.end() == (4401, "token_expired")
    assert time.time() >= datetime.fromisoformat(second["expires_at"]).timestamp() - 0.1


def test_fresh_token_of_another_user_closes_the_socket(connect: Connect, alice: User, bob: User) -> None:
    client = connect(alice)
    client.say("auth", token=token_of(bob))
    assert client.end() == (4401, "other_user")


def test_bad_fresh_token_closes_the_socket(connect: Connect, alice: User) -> None:
    client = connect(alice)
    client.say("auth", token=refresh_token(alice))
    assert client.end() == (4401, "invalid_token")


def deactivate(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def change_password(user: User) -> None:
    user.set_password("another ordinary passphrase")
    user.save()


def change_password_by_the_verb(user: User) -> None:
    passwords.replace(actor=None, user=user, new="quite another ordinary sentence", how="command", keeps_tokens=True)


def reset_password(user: User) -> None:
    code = one_time_codes.make(one_time_codes.Purpose.RESET, user=user, lasting=resets.LIFETIME)
    resets.use(RequestFactory().post("/reset/new"), code=code.text, new="quite another ordinary sentence")


def sign_out(user: User) -> None:
    tokens.revoke(TokenFamily.objects.get(user=user), "sign-out")


def sign_out_everywhere(user: User) -> None:
    tokens.sign_out_everywhere(user, "operator")


def delete(user: User) -> None:
    user.delete()


ENDINGS: list[Any] = [
    deactivate, change_password, change_password_by_the_verb, reset_password, sign_out, sign_out_everywhere, delete,
]  # fmt: skip


@pytest.mark.parametrize("end_it", ENDINGS)
def test_end_of_the_sign_in_closes_its_sockets(end_it: Any, connect: Connect, alice: User, bob: User) -> None:
    client, other = connect(alice), connect(bob)
    end_it(alice)
    started = time.monotonic()
    assert client.end(timeout=5) == (4401, "signed_out")
    assert time.monotonic() - started < 5
    assert other.ask("ping") == {"event": "pong"}


def test_reuse_of_a_refresh_token_closes_the_sockets_of_its_family(connect: Connect, alice: User) -> None:
    pair = tokens.issue_pair(alice)
    client = connect()
    client.sign_in(pair.access)
    tokens.rotate(pair.refresh)
    with pytest.raises(InvalidToken):
        tokens.rotate(pair.refresh)
    assert client.end(timeout=5) == (4401, "signed_out")


def test_socket_that_renewed_its_sign_in_outlives_the_old_one(connect: Connect, alice: User) -> None:
    client, witness = connect(), connect()
    old, new = tokens.issue_pair(alice), tokens.issue_pair(alice)
    client.sign_in(old.access)
    witness.sign_in(old.access)
    client.sign_in(new.access)
    tokens.sign_out(old.refresh)
    assert witness.end(timeout=PATIENCE_SECONDS) == (4401, "signed_out")
    assert client.ask("ping") == {"event": "pong"}


def test_sockets_of_web_are_refused_without_the_encryption_that_production_has(
    start_web: StartWeb, connect: Connect
) -> None:
    web = start_web(PERSONALQ_HTTPS="true")
    assert connect(url=web.url).end() == (4403, "https_required")


def test_encryption_may_end_at_a_trusted_proxy(start_web: StartWeb, connect: Connect, alice: User) -> None:
    web = start_web(PERSONALQ_HTTPS="true", PERSONALQ_TRUSTED_PROXIES="127.0.0.1")
    client = connect(url=web.url, additional_headers={"X-Forwarded-Proto": "https"})
    client.sign_in(token_of(alice))


def test_nobody_else_may_say_that_there_was_encryption(start_web: StartWeb, connect: Connect) -> None:
    web = start_web(PERSONALQ_HTTPS="true", PERSONALQ_TRUSTED_PROXIES="10.0.0.1")
    client = connect(url=web.url, additional_headers={"X-Forwarded-Proto": "https"})
    assert client.end() == (4403, "https_required")


def test_two_spellings_of_the_address_and_no_other(web: WebProcess, connect: Connect, alice: User) -> None:
    connect(alice, url=web.url.removesuffix("/")).ask("ping")
    for path in ("", "ws/ws/", "api/v1/tasks", "ws//", "ws/%00", "%C3%A9"):
        client = connect(url=web.url.removesuffix("ws/") + path)
        assert client.end() == (4404, "not_found")
