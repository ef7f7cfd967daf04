from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from accounts.models import User
from tasks.models import Agent
from tests.makers import make_agent, make_user
from tests.realtime.sockets.serving import WebProcess
from tests.realtime.sockets.talking import Client

StartWeb = Callable[..., WebProcess]
Connect = Callable[..., Client]


@pytest.fixture(scope="session")
def web(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WebProcess]:
    """The web process that most tests share. It is not the process that writes the events."""
    with WebProcess(tmp_path_factory.mktemp("web")) as process:
        yield process
        assert process.complaints == []


@pytest.fixture
def start_web(tmp_path: Path, transactional_db: None) -> Iterator[StartWeb]:
    """Starts web processes with settings of their own."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(WebProcess(tmp_path, **settings))


@pytest.fixture
def connect(web: WebProcess) -> Iterator[Connect]:
    """Opens sockets of the shared web process, or of another one by its `url`."""
    with ExitStack() as stack:

        def open_client(user: User | None = None, url: str = web.url, **options: Any) -> Client:
            return stack.enter_context(Client(url, user, **options))

        yield open_client


@pytest.fixture
def alice(transactional_db: None) -> User:
    return make_user("alice")


@pytest.fixture
def bob(transactional_db: None) -> User:
    return make_user("bob")


@pytest.fixture
def agent(alice: User) -> Agent:
    return make_agent(alice)
