from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache

from accounts.models import User
from tasks.models import Agent as TaskAgent
from tests.makers import make_agent, make_operator, make_user
from tests.mcp.talking import Agent, token_of
from tests.realtime.sockets.serving import WebProcess


@pytest.fixture(autouse=True)
def fast_and_uncounted(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    cache.clear()


@pytest.fixture(scope="session")
def web(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WebProcess]:
    """The web process that most tests share."""
    with WebProcess(tmp_path_factory.mktemp("mcp")) as process:
        yield process
        assert process.complaints == []


@pytest.fixture
def start_web(tmp_path: Path, transactional_db: None) -> Iterator[Callable[..., WebProcess]]:
    """Starts web processes with settings of their own."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(WebProcess(tmp_path, **settings))


@pytest.fixture
def url(web: WebProcess) -> str:
    return address_of(web)


def address_of(web: WebProcess) -> str:
    return f"http://127.0.0.1:{web.port}/mcp"


@pytest.fixture
def alice(transactional_db: None) -> User:
    return make_user("alice")


@pytest.fixture
def bob(transactional_db: None) -> User:
    return make_user("bob")


@pytest.fixture
def olga(transactional_db: None) -> User:
    return make_operator("olga")


@pytest.fixture(params=["auto", "legacy"])
def mode(request: pytest.FixtureRequest) -> str:
    """The protocol's present version, and the handshake of the older ones."""
    return str(request.param)


@pytest.fixture
def as_alice(url: str, alice: User) -> Agent:
    return Agent(url, token_of(alice))


@pytest.fixture
def as_bob(url: str, bob: User) -> Agent:
    return Agent(url, token_of(bob))


@pytest.fixture
def echo(alice: User) -> TaskAgent:
    return make_agent(alice, name="echo")


@pytest.fixture
def hands(alice: User) -> TaskAgent:
    """An agent whose tasks are carried out by whoever takes them."""
    return make_agent(alice, kind="external", name="hands")
