"""Reading history in order and without gaps.

Event numbers come from a sequence, so a lower number can commit after a higher one was read. Each writing
transaction therefore holds a guard while it is open, and readers stop short of the lowest number that an open
transaction may still bring (docs/decisions/0001).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import connection

from tasks.models import TaskEvent

_COLUMNS = ("id", "task_id", "task__uuid", "owner_id", "attempt", "kind", "data", "at", "schedule__uuid")


@dataclass(frozen=True)
class FeedEvent:
    """An event as it is handed on; `task` is the public id, `task_id` and `owner_id` stay inside.

    An event of a schedule has no task.
    """

    id: int
    task_id: int | None
    task: UUID | None
    owner_id: int | None
    attempt: int
    kind: str
    data: dict[str, Any]
    at: datetime
    schedule: UUID | None = None

    def as_json(self) -> dict[str, Any]:
        """The public form that REST and sockets share."""
        at = self.at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        members = {
            "event": self.kind,
            "id": self.id,
            "task": None if self.task is None else str(self.task),
            "attempt": self.attempt,
            "at": at,
            "data": self.data,
        }
        return members if self.schedule is None else {**members, "schedule": str(self.schedule)}


def horizon() -> int:
    """The highest number up to which every event is committed, seen or given up. It never falls."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT task_events_horizon()")
        return int(cursor.fetchone()[0])


def read(
    *,
    after: int,
    up_to: int,
    limit: int = 500,
    owner_id: int | None = None,
    task_ids: Iterable[int] | None = None,
    schedule_id: int | None = None,
    attempt: int | None = None,
    kind: str | None = None,
) -> list[FeedEvent]:
    """Events with `after` < id <= `up_to` in order of their ids, at most `limit`.

    `up_to` must come from `horizon()`, read before. Filters by owner, tasks, schedule, attempt or kind when they are
    given.
    """
    rows = TaskEvent.objects.filter(id__gt=after, id__lte=up_to).order_by("id")
    if owner_id is not None:
        rows = rows.filter(owner_id=owner_id)
    if task_ids is not None:
        rows = rows.filter(task_id__in=list(task_ids))
    if schedule_id is not None:
        rows = rows.filter(schedule_id=schedule_id)
    if attempt is not None:
        rows = rows.filter(attempt=attempt)
    if kind is not None:
        rows = rows.filter(kind=kind)
    return [FeedEvent(*row) for row in rows.values_list(*_COLUMNS)[:limit]]


def last_event_id(*, owner_id: int, up_to: int) -> int:
    """The newest event of an owner that a reader may know of; 0 when there is none."""
    rows = TaskEvent.objects.filter(owner_id=owner_id, id__lte=up_to).order_by("-id")
    return rows.values_list("id", flat=True).first() or 0
