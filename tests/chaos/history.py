"""The rows and events of a product, as plain data that can also be written by hand."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Final

import psycopg
from psycopg.rows import class_row

from tasks.states import Status

# The words of the history, as docs/websocket.md gives them to clients.
STARTED: Final = "task_started"
OUTPUT: Final = "task_output"
COMPLETED: Final = "task_completed"
FAILED: Final = "task_failed"
CANCELLED: Final = "task_cancelled"
RETRIED: Final = "task_retried"
ARCHIVED: Final = "task_archived"
RESTORED: Final = "task_restored"
ENDS: Final = {COMPLETED: Status.COMPLETE, FAILED: Status.FAILED, CANCELLED: Status.CANCELLED}
# After an end these may still come: they say nothing about the work.
AFTER_THE_END: Final = frozenset({ARCHIVED, RESTORED})
# What takes an attempt from its worker.
ENDS_OF_ATTEMPT: Final = frozenset({*ENDS, RETRIED})


@dataclass(frozen=True, kw_only=True)
class Row:
    """A task as it stands."""

    uuid: str
    prompt: str
    status: int
    attempts: int = 0
    result: str | None = None
    error_code: str = ""
    lease_expires_at: datetime | None = None
    archived_from: int | None = None

    @property
    def state(self) -> Status:
        return Status(self.status)

    @property
    def ended_as(self) -> Status:
        """How it ended, also when it was archived since."""
        return self.state if self.archived_from is None else Status(self.archived_from)


@dataclass(frozen=True, kw_only=True)
class Event:
    id: int
    task: str
    kind: str
    attempt: int
    at: datetime
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class History:
    """All tasks, and all events in the order of their ids."""

    rows: list[Row]
    events: list[Event]
    read_at: datetime

    @cached_property
    def of_task(self) -> dict[str, list[Event]]:
        sorted_out: dict[str, list[Event]] = defaultdict(list)
        for event in self.events:
            sorted_out[event.task].append(event)
        return sorted_out


def read_history(connection: "psycopg.Connection[Any]") -> History:
    """Everything that the database holds, as of one moment."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        rows = connection.cursor(row_factory=class_row(Row)).execute(
            "SELECT uuid::text, prompt, status, attempts, result, error_code, lease_expires_at, archived_from "
            "FROM tasks"
        )
        found = rows.fetchall()
        told = connection.cursor(row_factory=class_row(Event)).execute(
            "SELECT e.id, t.uuid::text AS task, e.kind, e.attempt, e.at, e.data "
            "FROM task_events e JOIN tasks t ON t.id = e.task_id ORDER BY e.id"
        )
        moment = connection.execute("SELECT now()").fetchone()
        assert moment is not None
        return History(found, told.fetchall(), moment[0])
