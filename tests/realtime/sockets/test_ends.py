"""What ends somebody's access ends all of it: requests at once, sockets and waits within five seconds."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import httpx2
import pytest
from django.conf import settings as django_settings

from accounts import passwords, sessions, tokens
from accounts.models import TokenFamily, User
from accounts.second_factor import changes
from personalq.lib.errors import InvalidToken
from tasks.models import Agent
from tests.accounts.factors import make_factor
from tests.clients import fresh_client
from tests.makers import make_operator, make_task, make_token
from tests.mcp.test_waits import Waiting
from tests.realtime.sockets.conftest import Connect, StartWeb
from tests.realtime.sockets.serving import WebProcess
from tests.realtime.sockets.talking import Client, token_of

pytestmark = [pytest.mark.security, pytest.mark.django_db(transaction=True)]

WITHIN_SECONDS: Final = 5
NEW_PASSWORD: Final = "mountains keep their snow until June"


@dataclass
class Carriers:
    """Everything by which one person is let in."""

    session: str
    pair: tokens.TokenPair
    personal: str
    socket: Client
    personal_socket: Client
    wait: Waiting
    personal_wait: Waiting

    @classmethod
    def open(cls, user: User, task: Any, connect: Connect, web: WebProcess) -> "Carriers":
        browser = fresh_client()
        browser.force_login(user)
        pair, personal = tokens.issue_pair(user), make_token(user).text
        mcp, session = f"http://127.0.0.1:{web.port}/mcp", browser.cookies[django_settings.SESSION_COOKIE_NAME].value
        socket, personal_socket = _listening(connect, pair.access), _listening(connect, personal)
        wait, personal_wait = (Waiting(mcp, text, task) for text in (pair.access, personal))
        for each in (wait, personal_wait):
            each.hear("ready")
        return cls(session, pair, personal, socket, personal_socket, wait, personal_wait)


def _listening(connect: Connect, text: str) -> Client:
    client = connect()
    client.sign_in(text)
    return client


def status(web: WebProcess, **headers: str) -> int:
    return httpx2.get(f"http://127.0.0.1:{web.port}/api/v1/me", headers=headers, timeout=30).status_code


def deactivate(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def change_password(user: User, *, keeps_tokens: bool = False) -> None:
    passwords.replace(actor=None, user=user, new=NEW_PASSWORD, how="command", keeps_tokens=keeps_tokens)


def sign_out_everywhere(user: User) -> None:
    tokens.sign_out_everywhere(user, "operator")


def end_all_sessions(user: User) -> None:
    sessions.end_others(actor=user, kept=None)


def take_factor_away(user: User) -> None:
    make_factor(user)
    changes.remove(actor=None, user=user)


EVERYTHING: Final = [deactivate, change_password, sign_out_everywhere]
SIGN_INS: Final = [partial(change_password, keeps_tokens=True), end_all_sessions, take_factor_away]
CAUSES: Final = [*((cause, True) for cause in EVERYTHING), *((cause, False) for cause in SIGN_INS)]
NAMES: Final = [
    "deactivation", "password", "sign out everywhere", "password with tokens kept", "own sessions", "lost factor",
]  # fmt: skip


@pytest.mark.parametrize(("end", "ends_personal"), CAUSES, ids=NAMES)
def test_all_that_should_end_ends_in_time(
    web: WebProcess, connect: Connect, alice: User, agent: Agent, end: Callable[[User], None], ends_personal: object
) -> None:
    own = Carriers.open(alice, make_task(agent), connect, web)
    by_session, by_access = (
        {"Cookie": f"personalq-session={own.session}"},
        {"Authorization": f"Bearer {own.pair.access}"},
    )
    by_personal = {"Authorization": f"Bearer {own.personal}"}
    # The first request of a session puts it into the list of sign-ins.
    assert [status(web, **each) for each in (by_session, by_access, by_personal)] == [200] * 3
    end(alice)
    began = time.monotonic()
    assert [status(web, **each) for each in (by_session, by_access)] == [401] * 2
    with pytest.raises(InvalidToken):
        tokens.rotate(own.pair.refresh)
    assert own.socket.end() == (4401, "signed_out")
    own.wait.hear("invalid_token")
    if ends_personal:
        assert status(web, **by_personal) == 401
        assert own.personal_socket.end() == (4401, "signed_out")
        own.personal_wait.hear("invalid_token")
    assert time.monotonic() - began < WITHIN_SECONDS
    if not ends_personal:
        assert status(web, **by_personal) == 200
        assert own.personal_socket.ask("ping") == {"event": "pong"}
        own.personal_wait.hang_up()


def test_ending_one_session_closes_its_sockets_and_no_others(connect: Connect, alice: User) -> None:
    ended, kept = connect(), connect(alice)
    text = token_of(alice)
    ended.sign_in(text)
    family = TokenFamily.objects.get(uuid=tokens.identity_of(text).standing[1])
    began = time.monotonic()
    sessions.end(actor=alice, session=family)
    assert ended.end() == (4401, "signed_out")
    assert time.monotonic() - began < WITHIN_SECONDS
    assert kept.ask("ping") == {"event": "pong"}


def test_operator_who_lacks_a_factor_gets_no_socket_and_loses_those_they_have(
    start_web: StartWeb, connect: Connect
) -> None:
    web, olga = start_web(PERSONALQ_OPERATORS_NEED_SECOND_FACTOR="true"), make_operator("olga")
    factor, text = make_factor(olga), make_token(olga).text
    client = connect(olga, url=web.url)
    program = connect(url=web.url)
    program.sign_in(text)
    factor.row.delete()
    began = time.monotonic()
    assert [each.end() for each in (client, program)] == [(4401, "signed_out")] * 2
    assert time.monotonic() - began < WITHIN_SECONDS
    for token in (text, token_of(olga)):
        refused = connect(url=web.url)
        refused.say("auth", token=token)
        assert refused.end() == (4403, "second_factor_needed")
        answer = httpx2.post(
            f"http://127.0.0.1:{web.port}/mcp", headers={"Authorization": f"Bearer {token}"}, json={}, timeout=30
        )
        assert (answer.status_code, answer.json()["code"]) == (403, "second_factor_needed")
