"""Clients of the API for the people of tests/conftest.py."""

import pytest

from accounts.models import User
from tests.tasks.api.client import Api


@pytest.fixture
def as_alice(alice: User) -> Api:
    return Api(alice)


@pytest.fixture
def as_bob(bob: User) -> Api:
    return Api(bob)


@pytest.fixture
def as_operator(operator: User) -> Api:
    return Api(operator)
