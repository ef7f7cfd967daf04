import pytest
from django.core.cache import cache
from pytest_django.fixtures import Settings

from accounts.models import User
from tests.webhooks.making import Waiting, make_waiting


@pytest.fixture(autouse=True)
def uncounted() -> None:
    """Nobody has knocked yet."""
    cache.clear()


@pytest.fixture
def owner(settings: Settings) -> User:
    """A user to whom things belong, and whom nobody signs in as: a slow hash would only cost time."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return User.objects.create_user(username="owner", password="not used")


@pytest.fixture
def waiting(owner: User) -> Waiting:
    """An attempt that an outside runner has taken."""
    return make_waiting(owner)
