"""The audit trail as an installation has it: with every guard of the database."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

_TRIGGER = "ALTER TABLE audit_events {} TRIGGER audit_events_no_truncate"


@pytest.fixture
def guarded(transactional_db: Any) -> Iterator[None]:
    """What tests/conftest.py switches off, switched on until the table is emptied."""
    with connection.cursor() as cursor:
        cursor.execute(_TRIGGER.format("ENABLE"))
    yield
    with connection.cursor() as cursor:
        cursor.execute(_TRIGGER.format("DISABLE"))
