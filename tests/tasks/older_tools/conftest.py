from typing import Any

import pytest
from django.core.cache import cache

from accounts.models import User
from tests.tasks.older_tools.client import OldClient


@pytest.fixture(autouse=True)
def fast_hashing(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def no_counts_left() -> None:
    """Earlier tests have used up nobody's rate."""
    cache.clear()


@pytest.fixture
def as_alice(alice: User) -> OldClient:
    return OldClient(alice)


@pytest.fixture
def as_bob(bob: User) -> OldClient:
    return OldClient(bob)


@pytest.fixture
def as_operator(operator: User) -> OldClient:
    return OldClient(operator)
