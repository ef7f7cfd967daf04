"""What tests of all rooms start from."""

from typing import Any

import pytest

from accounts.models import User
from tests.makers import make_operator, make_user


@pytest.fixture
def owner() -> User:
    """A user to whom things belong."""
    return make_user()


@pytest.fixture
def alice(db: Any) -> User:
    return make_user("alice")


@pytest.fixture
def bob(db: Any) -> User:
    return make_user("bob")


@pytest.fixture
def operator(db: Any) -> User:
    return make_operator("olga")
