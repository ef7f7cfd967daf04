from collections.abc import Iterator
from typing import Any

import pytest

from accounts import scopes
from accounts.models import User
from accounts.tokens import personal_tokens
from tests.commands import table
from tests.commands.replay import RUNNER, TARGETS
from tests.makers import make_operator
from tests.realtime.sockets.serving import WebProcess


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(table.OPTION, action="store_true", help="write the table of docs/older-scripts.md anew")


@pytest.fixture(scope="module")
def web(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProcess]:
    """A real server on the tests' database, which lets agents call the recorded addresses."""
    names: Any = {"PERSONALQ_INTERNAL_HOSTS": ",".join(TARGETS), "PERSONALQ_CURSOR_RUNNER_URL": RUNNER}
    with WebProcess(tmp_path_factory.mktemp("web"), **names) as process:
        yield process
        assert process.complaints == []


@pytest.fixture
def address(web: WebProcess) -> str:
    return f"http://127.0.0.1:{web.port}"


@pytest.fixture
def operator(transactional_db: None) -> User:
    return make_operator("olga")


@pytest.fixture
def token(operator: User) -> str:
    """A token of the operator that may do everything."""
    return personal_tokens.create(actor=operator, name="scripts", scopes=scopes.ALL).text
