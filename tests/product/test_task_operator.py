"""Rows that SQL writes as the older tools taught it, in a whole product: one after the other, in order."""

from typing import Any

import psycopg
import pytest

from tests.embedded.running import wait_for
from tests.product.conftest import Stage
from tests.product.test_rotation import connect

pytestmark = pytest.mark.product
ROWS = [("third", 3), ("it's first", -1), ("second", 2), ("also third", 3)]


def insert(connection: "psycopg.Connection[tuple[object, ...]]") -> None:
    for prompt, order in ROWS:
        literal = prompt.replace("'", "''")
        connection.execute(f"""INSERT INTO tasks (prompt, "order", status) VALUES ('{literal}', {order}, 0)""")
    connection.commit()


def test_rows_by_sql_are_carried_out_one_after_the_other_in_order(stage: Stage) -> None:
    operator = stage.operator
    operator.make_agent("task-operator", "echo", word_delay_ms=50)
    with connect(stage.installation) as connection:
        insert(connection)

        def rows(columns: str, order: str) -> list[tuple[Any, ...]]:
            found = connection.execute(f"SELECT {columns} FROM tasks WHERE source = 'sql' ORDER BY {order}").fetchall()
            connection.rollback()
            return found

        assert operator.call("POST", "/task-operator")["agent_name"] == "task-operator"
        try:
            wait_for(lambda: all(status == 1 for (status,) in rows("status", "id")), "the end of all rows")
        finally:
            operator.call("DELETE", "/task-operator")
        done = rows("prompt, result, started_at, finished_at", "started_at")
    assert [prompt for prompt, *_ in done] == ["it's first", "second", "third", "also third"]
    assert all(prompt == result for prompt, result, *_ in done)
    ends = [finished for *_, finished in done]
    starts = [started for _, _, started, _ in done]
    assert all(start >= end for start, end in zip(starts[1:], ends, strict=False))
