"""Tasks as rows of a list, without their long texts."""

from typing import Any, Final
from uuid import UUID

from django.db.models import Count, QuerySet
from django.db.models.functions import Left
from django.http import QueryDict

from accounts.models import User
from tasks import access
from tasks.criteria import TaskCriteria
from tasks.models import Task
from tasks.states import Status

_COLUMNS: Final = (
    "uuid",
    "title",
    "status",
    "order",
    "createdat",
    "updatedat",
    "started_at",
    "finished_at",
    "not_before_at",
    "attempts",
    "pruned_at",
    "error_code",
    "agent__name",
    "agent__uuid",
    "agent__deleted_at",
)
_EXCERPT_LENGTH: Final = 200
_NOT_ARCHIVED: Final = [int(status) for status in Status if status != Status.ARCHIVED]
_COUNTED: Final = (Status.RUNNING, Status.READY, Status.BACKLOGGED, Status.FAILED)


def rows_of(user: User, wanted: dict[str, Any]) -> QuerySet[Task]:
    """The user's tasks that a checked filter lets through; archived ones only when asked for.

    Raises NotFound or NotYours for the agent or the queue of a filter.
    """
    return criteria_of(user, wanted).among(without_texts(access.tasks_of(user)))


def without_texts(tasks: QuerySet[Task]) -> QuerySet[Task]:
    """The same tasks as rows of a list."""
    rows = tasks.select_related("agent").only(*_COLUMNS)
    return rows.annotate(excerpt=Left("prompt", _EXCERPT_LENGTH))


def dead_rows_of(user: User) -> QuerySet[Task]:
    """The user's tasks that failed because their attempts were used up."""
    return TaskCriteria(is_dead=True).among(rows_of(user, {}))


def criteria_of(user: User, wanted: dict[str, Any]) -> TaskCriteria:
    """What a checked filter means; archived tasks are meant only when asked for. Raises as `rows_of`."""
    status = Status.from_word(wanted["status"]) if "status" in wanted else None
    return TaskCriteria(
        statuses=_NOT_ARCHIVED if status is None else [int(status)],
        agent_id=access.agent_for(user, wanted["agent"]).pk if "agent" in wanted else None,
        queue_id=access.queue_for(user, wanted["queue"]).pk if "queue" in wanted else None,
        search=wanted.get("text"),
    )


def counts_of(user: User) -> dict[str, int]:
    """How many tasks there are in those statuses that a person has to do with."""
    rows = access.tasks_of(user).filter(status__in=_COUNTED).order_by()
    found = dict(rows.values_list("status").annotate(amount=Count("pk")))
    return {status.word: found.get(int(status), 0) for status in _COUNTED}


def query_string(wanted: dict[str, Any], **changes: UUID | str | None) -> str:
    """A filter as the end of an address, beginning with "?", with some values changed or (None) left out."""
    query = QueryDict(mutable=True)
    query.update({name: str(value) for name, value in {**wanted, **changes}.items() if value is not None})
    return f"?{query.urlencode()}" if query else "?"
