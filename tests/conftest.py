"""What tests of all rooms start from."""

import pytest

from accounts.models import User
from tests.makers import make_user


@pytest.fixture
def owner() -> User:
    """A user to whom things belong."""
    return make_user()
