from typing import Any

import pytest
from django.core.cache import cache

from accounts.models import User
from tasks.models import Agent, Queue
from tests.makers import make_agent
from tests.tasks.api.client import Api


@pytest.fixture(autouse=True)
def fast_hashing(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def no_counts_left() -> None:
    """Earlier tests have used up nobody's rate."""
    cache.clear()


@pytest.fixture
def agent(alice: User) -> Agent:
    return make_agent(alice, name="scribe")


@pytest.fixture
def default_queue(db: Any) -> Queue:
    return Queue.objects.shared_default()


@pytest.fixture
def anonymous(db: Any) -> Api:
    return Api()
