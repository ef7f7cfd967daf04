from typing import Any

import pytest
from django.core.cache import cache
from pytest_django import Settings

from accounts.models import User
from tasks.models import Agent, Queue
from tests.accounts.clients import SecureClient
from tests.makers import make_agent


@pytest.fixture(autouse=True)
def fast_hashing(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def fresh_counters() -> None:
    cache.clear()


@pytest.fixture
def agent(alice: User) -> Agent:
    return make_agent(alice, name="scribe")


@pytest.fixture
def page(alice: User) -> SecureClient:
    """Alice's browser."""
    return browser_of(alice)


@pytest.fixture
def strange_page(bob: User) -> SecureClient:
    """Bob's browser, where he looks at what is not his."""
    return browser_of(bob)


@pytest.fixture
def operators_page(operator: User) -> SecureClient:
    return browser_of(operator)


def browser_of(user: User) -> SecureClient:
    client = SecureClient()
    client.force_login(user)
    return client


@pytest.fixture
def agent_form(db: Any) -> dict[str, Any]:
    """What a browser sends of the fields that agents of all kinds have."""
    return {
        "name": "scribe",
        "description": "",
        "untrusted_policy": "hold",
        "queue": str(Queue.objects.shared_default().uuid),
        "concurrency_limit": "10",
        "timeout_seconds": "600",
        "output_limit_bytes": "1048576",
        "max_attempts": "3",
        "retry_base_seconds": "2",
        "retry_cap_seconds": "300",
        "idle_timeout_seconds": "",
        "waiting_timeout_seconds": "",
    }
