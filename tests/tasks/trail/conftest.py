from typing import Any

import pytest
from django.core.cache import cache

from accounts.models import User
from tasks.models import Agent, Task
from tests.makers import make_agent, make_queue, make_task
from tests.tasks.api.client import Api


@pytest.fixture(autouse=True)
def fast_and_uncounted(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    cache.clear()


@pytest.fixture
def agent(alice: User) -> Agent:
    return make_agent(alice, name="scribe", queue=make_queue(alice))


@pytest.fixture
def task(agent: Agent) -> Task:
    return make_task(agent)


@pytest.fixture
def as_alice(alice: User) -> Api:
    return Api(alice)


@pytest.fixture
def as_bob(bob: User) -> Api:
    return Api(bob)


@pytest.fixture
def as_operator(operator: User) -> Api:
    return Api(operator)
