"""What tests of all rooms start from."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from hypothesis import settings

from accounts.models import User
from personalq.lib import afterwards
from tests.makers import make_operator, make_user

# What hypothesis makes up is the same each time; `--hypothesis-profile=long` makes up much more, and other things.
settings.register_profile("fixed", derandomize=True, database=None, deadline=None)
settings.register_profile("long", max_examples=20_000, database=None, deadline=None)
settings.load_profile("fixed")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """Tests that commit are followed by a TRUNCATE of all tables, which the audit trail refuses."""
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_events DISABLE TRIGGER audit_events_no_truncate")


@pytest.fixture(autouse=True)
def nothing_comes_later() -> Iterator[None]:
    """What a test put off to another thread is written before its tables are emptied, not into those of the next."""
    yield
    afterwards.settled().result(30)


@pytest.fixture(autouse=True)
def no_window_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is limited to so many a minute is counted in one minute, however long the test takes."""
    monkeypatch.setattr("django_ratelimit.core.time", SimpleNamespace(time=lambda: 1_800_000_000))


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
