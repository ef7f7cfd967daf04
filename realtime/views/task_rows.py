"""Tasks as rows of a list, without their long texts."""

from typing import Any, Final
from uuid import UUID

from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Left
from django.http import QueryDict

from accounts.models import User
from tasks import access
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
    "error_code",
    "agent__name",
    "agent__uuid",
    "agent__deleted_at",
)
_EXCERPT_LENGTH: Final = 200
_COUNTED: Final = (Status.RUNNING, Status.READY, Status.BACKLOGGED, Status.FAILED)


def rows_of(user: User, wanted: dict[str, Any]) -> QuerySet[Task]:
    """The user's tasks that a checked filter lets through; archived ones only when asked for.

    Raises NotFound or NotYours for the agent of a filter.
    """
    rows = access.tasks_of(user).select_related("agent")
    rows = rows.only(*_COLUMNS).annotate(excerpt=Left("prompt", _EXCERPT_LENGTH))
    if "status" in wanted:
        rows = rows.filter(status=Status.from_word(wanted["status"]))
    else:
        rows = rows.exclude(status=Status.ARCHIVED)
    if "agent" in wanted:
        rows = rows.filter(agent=access.agent_for(user, wanted["agent"]))
    if "text" in wanted:
        rows = rows.filter(Q(title__icontains=wanted["text"]) | Q(prompt__icontains=wanted["text"]))
    return rows


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
