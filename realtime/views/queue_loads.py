"""How busy queues are, as far as the reader may know."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db.models import Count, Min, Q, QuerySet
from django.db.models.functions import Greatest, Now

from accounts.models import User
from tasks import access
from tasks.models import Queue, Task
from tasks.states import Status

_NOTHING: Final[dict[str, Any]] = {"running": 0, "ready": 0, "oldest_at": None}
_IS_DUE: Final = Q(status=Status.READY) & (Q(not_before_at__isnull=True) | Q(not_before_at__lte=Now()))


@dataclass(frozen=True, kw_only=True)
class QueueLoad:
    """A queue with what runs and waits in it; `is_whole` says whether others' tasks are counted, too."""

    queue: Queue
    running: int
    ready: int
    oldest_at: datetime | None
    is_whole: bool
    may_change: bool


def with_queue_loads(user: User, queues: Iterable[Queue]) -> list[QueueLoad]:
    """The queues, in their order, each with its load. One query, however many they are."""
    shown = list(queues)
    is_operator = access.is_operator_for(user, Task, "view")
    tasks = access.everybodys_tasks(user) if is_operator else access.tasks_of(user)
    found = _count_by_queue(tasks, shown)
    return [
        QueueLoad(
            queue=queue,
            **found.get(queue.pk, _NOTHING),
            is_whole=is_operator or not queue.is_shared,
            may_change=access.is_owner_or_operator(user, queue, "change"),
        )
        for queue in shown
    ]


def _count_by_queue(tasks: QuerySet[Task], queues: list[Queue]) -> dict[int, dict[str, Any]]:
    rows = tasks.filter(queue__in=queues, status__in=[Status.READY, Status.RUNNING]).order_by().values("queue_id")
    counted = rows.annotate(
        running=Count("pk", filter=Q(status=Status.RUNNING)),
        ready=Count("pk", filter=Q(status=Status.READY)),
        # Since when the task that waits longest could have been started, as far as it alone decides.
        oldest_at=Min(Greatest("updatedat", "not_before_at"), filter=_IS_DUE),
    )
    return {
        row["queue_id"]: {"running": row["running"], "ready": row["ready"], "oldest_at": row["oldest_at"]}
        for row in counted
    }
