import pytest
from django.core.cache import cache
from pytest_django import Settings

from accounts.models import User
from tests.accounts.clients import SecureClient


@pytest.fixture(autouse=True)
def fast_hashing(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def fresh_counters() -> None:
    """Nobody has tried anything yet."""
    cache.clear()


@pytest.fixture
def client() -> SecureClient:
    return SecureClient()


@pytest.fixture
def signed_in(client: SecureClient, alice: User) -> SecureClient:
    client.force_login(alice)
    return client


@pytest.fixture
def at_admin(operator: User) -> SecureClient:
    client = SecureClient()
    client.force_login(operator)
    return client
