from typing import Any

import pytest
from django.core.cache import cache

from accounts.models import User
from tasks.models import Agent, Task
from tests.makers import make_agent, make_queue, make_task


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
