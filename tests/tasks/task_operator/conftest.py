import pytest

from accounts.models import User
from tasks import task_operator
from tasks.messenger import Hint, messenger
from tasks.models import Agent
from tests.makers import make_agent, make_operator, make_queue


@pytest.fixture
def operator() -> User:
    return make_operator()


@pytest.fixture
def agent(operator: User) -> Agent:
    return make_agent(operator, queue=make_queue(operator), max_attempts=2)


@pytest.fixture
def turned_on(operator: User, agent: Agent) -> User:
    task_operator.turn_on(actor=operator, agent=agent)
    return operator


@pytest.fixture
def posted(monkeypatch: pytest.MonkeyPatch) -> list[Hint]:
    posted: list[Hint] = []
    monkeypatch.setattr(messenger, "post", posted.append)
    return posted
