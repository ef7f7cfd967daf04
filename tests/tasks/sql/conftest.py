from collections.abc import Iterator

import pytest

from tasks import sql_access
from tests.tasks.sql.agent import Agent, name_role


@pytest.fixture
def agent() -> Iterator[Agent]:
    """A tool of another kind: it knows its role, its password and SQL."""
    name = name_role()
    made = sql_access.create(name=name)
    assert made.password is not None
    with Agent(name, made.password) as agent:
        yield agent
    sql_access.drop(name=name)
