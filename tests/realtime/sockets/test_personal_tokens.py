"""Sockets that programs open with personal tokens."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from accounts import tokens
from accounts.models import PersonalToken, User
from accounts.tokens import personal_tokens
from tasks.models import Agent
from tests.makers import make_operator, make_task, make_token
from tests.realtime.sockets.conftest import Connect
from tests.realtime.sockets.serving import WebProcess
from tests.realtime.sockets.talking import token_of

pytestmark = [pytest.mark.security, pytest.mark.django_db(transaction=True)]


def test_token_with_the_scope_listens(connect: Connect, alice: User, agent: Agent) -> None:
    client, new = connect(), make_token(alice, "tasks:read")
    answer = client.sign_in(new.text)
    assert answer["user"] == {"uuid": str(alice.uuid), "username": "alice"}
    assert datetime.fromisoformat(answer["expires_at"]) == new.token.expires_at.replace(microsecond=0)
    client.subscribe()
    task = make_task(agent)
    assert client.hear()["task"] == str(task.uuid)


def test_token_without_the_scope_is_told_which_it_lacks(connect: Connect, alice: User) -> None:
    client = connect()
    client.say("auth", token=make_token(alice, "tasks:write", "agents:read").text)
    frame = client.hear()
    assert (frame["error_code"], "tasks:read" in frame["message"]) == ("scope_missing", True)
    assert client.end()[0] == 4403


def test_token_without_the_scope_keeps_no_socket_open(connect: Connect, alice: User) -> None:
    client = connect(alice)
    client.say("auth", token=make_token(alice, "agents:read").text)
    assert client.end() == (4403, "scope_missing")


@pytest.mark.parametrize("spoil", [lambda text: text[:-1], lambda text: text.swapcase(), lambda text: f"pq_{text}"])
def test_wrong_token_closes_with_4401(connect: Connect, alice: User, spoil: Callable[[str], str]) -> None:
    client = connect()
    client.say("auth", token=spoil(make_token(alice).text))
    assert client.end() == (4401, "invalid_token")


def revoke(token: PersonalToken) -> None:
    personal_tokens.revoke(actor=token.user, token=token)


def revoke_as_operator(token: PersonalToken) -> None:
    personal_tokens.revoke(actor=make_operator(), token=token)


def deactivate(token: PersonalToken) -> None:
    User.objects.filter(pk=token.user_id).update(is_active=False)


def sign_out_everywhere(token: PersonalToken) -> None:
    tokens.sign_out_everywhere(token.user, "operator")


def forget(token: PersonalToken) -> None:
    token.delete()


@pytest.mark.parametrize("end", [revoke, revoke_as_operator, deactivate, sign_out_everywhere, forget])
def test_ended_token_closes_its_sockets_within_five_seconds(
    connect: Connect, alice: User, end: Callable[[PersonalToken], None]
) -> None:
    client, new = connect(), make_token(alice)
    client.sign_in(new.text)
    end(new.token)
    started = time.monotonic()
    assert client.end() == (4401, "signed_out")
    assert time.monotonic() - started < 5


def test_expiry_closes_the_socket(connect: Connect, alice: User) -> None:
    client, new = connect(), make_token(alice)
    ends_at = timezone.now() + timedelta(seconds=6)
    PersonalToken.objects.filter(pk=new.token.pk).update(expires_at=ends_at)
    client.sign_in(new.text)
    assert client.end() == (4401, "token_expired")
    assert -0.1 <= time.time() - ends_at.timestamp() <= 5


def test_revoking_one_token_leaves_the_others_sockets_open(connect: Connect, alice: User) -> None:
    first, second, signed = connect(), connect(), connect(alice)
    revoked = make_token(alice)
    first.sign_in(revoked.text)
    second.sign_in(make_token(alice).text)
    revoke(revoked.token)
    assert first.end() == (4401, "signed_out")
    for client in (second, signed):
        assert client.ask("ping") == {"event": "pong"}


def test_new_password_ends_the_sockets_of_sign_ins_and_not_those_of_programs(connect: Connect, alice: User) -> None:
    person, program = connect(alice), connect()
    program.sign_in(make_token(alice).text)
    alice.set_password("another ordinary passphrase")
    alice.save()
    assert person.end() == (4401, "signed_out")
    assert program.ask("ping") == {"event": "pong"}


def test_socket_goes_from_one_kind_of_token_to_the_other(connect: Connect, alice: User) -> None:
    client, new = connect(alice), make_token(alice)
    client.sign_in(new.text)
    revoke(new.token)
    assert client.end() == (4401, "signed_out")
    client, other = connect(), make_token(alice)
    client.sign_in(other.text)
    client.sign_in(token_of(alice))
    watched, ended = connect(), make_token(alice)
    watched.sign_in(ended.text)
    for token in (other.token, ended.token):
        revoke(token)
    assert watched.end() == (4401, "signed_out")
    assert client.ask("ping") == {"event": "pong"}


def test_token_reaches_no_log(connect: Connect, web: WebProcess, alice: User) -> None:
    good, lacking = make_token(alice).text, make_token(alice, "agents:read").text
    connect().sign_in(good)
    client = connect(url=f"{web.url}?token={good}")
    client.say("auth", token=lacking)
    assert client.end() == (4403, "scope_missing")
    assert [text for text in (good, lacking) if text[9:] in web.log] == []
