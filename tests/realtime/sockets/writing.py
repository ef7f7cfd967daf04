"""Events of tasks, written by this process for sockets that another process serves."""

from typing import Any

from django.db import transaction

from tasks import events
from tasks.models import Task, TaskEvent


def write(task: Task, count: int = 1, **data: Any) -> list[int]:
    """Write events, each in a transaction of its own, and return their ids."""
    return [write_one(task, **data) for _ in range(count)]


def write_one(task: Task, kind: str = events.EDITED, **data: Any) -> int:
    with transaction.atomic():
        return events.record(task, kind, **data).id


def ids_of(*tasks: Task, after: int = 0) -> list[int]:
    """The ids of the events of some tasks behind a position, in order."""
    found = TaskEvent.objects.filter(task__in=tasks, id__gt=after)
    return list(found.order_by("id").values_list("id", flat=True))
