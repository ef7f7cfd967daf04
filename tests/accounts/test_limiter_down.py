"""What happens when the server that counts attempts is really gone: nobody signs in, and work goes on."""

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from pytest_django import Settings

from accounts import tokens
from accounts.models import User
from tests.accounts.clients import SecureClient, sign_in
from tests.accounts.factors import make_factor
from tests.makers import PASSWORD, make_agent
from tests.realtime.sockets.test_outage import Redis

pytestmark = [pytest.mark.django_db, pytest.mark.security]


@pytest.fixture
def counter(tmp_path: Path, settings: Settings) -> Iterator[Redis]:
    """The server that counts, of its own for this test."""
    server = Redis(tmp_path)
    caches = copy.deepcopy(django_settings.CACHES)
    caches["default"]["LOCATION"] = server.url
    settings.CACHES = caches
    yield server
    server.kill()


def token(client: SecureClient, **more: str) -> tuple[int, bool]:
    answer = client.send("/api/v1/auth/token", {"username": "alice", "password": PASSWORD, **more})
    return answer.status_code, "Retry-After" in answer


def test_sign_in_is_refused_and_work_goes_on_until_it_is_back(
    counter: Redis, client: SecureClient, alice: User
) -> None:
    assert token(client) == (200, False)
    pair, agent = tokens.issue_pair(alice), make_agent(alice)
    bearer = {"Authorization": f"Bearer {pair.access}"}
    client.force_login(alice)
    counter.kill()
    assert token(SecureClient()) == (503, True)
    assert sign_in(SecureClient(), "alice", PASSWORD).status_code == 503
    made = client.send("/api/v1/tasks", {"agent": str(agent.uuid), "prompt": "p"}, headers=bearer)
    assert made.status_code == 201
    assert client.get("/api/v1/tasks", headers=bearer).status_code == 200
    assert client.get("/tasks").status_code == 200
    assert client.send("/api/v1/auth/refresh", {"refresh": pair.refresh}).status_code == 200
    counter.start()
    assert token(SecureClient()) == (200, False)


def test_code_of_a_second_factor_is_not_compared_uncounted(counter: Redis, client: SecureClient, alice: User) -> None:
    factor = make_factor(alice)
    sign_in(client, "alice", PASSWORD)
    counter.kill()
    assert client.post("/sign-in/code", {"code": factor.code()}).status_code == 503
    assert client.get("/api/v1/me").status_code == 401
    factor.row.refresh_from_db()
    assert factor.row.last_step == 0
