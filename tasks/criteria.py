"""Conditions on tasks, written once: a list and a bulk action with the same filter mean the same tasks."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from django.db import OperationalError, connection, transaction
from django.db.models import Q, QuerySet
from django.utils.dateparse import parse_datetime
from psycopg.errors import QueryCanceled

from personalq.lib.errors import InvalidInput
from tasks.models import Task
from tasks.models.task import DEAD


@dataclass(frozen=True, kw_only=True)
class TaskCriteria:
    """Which tasks are meant; what is None is no condition."""

    statuses: list[int] | None = None
    agent_id: int | None = None
    queue_id: int | None = None
    source: str | None = None
    search: str | None = None
    """Part of the title or prompt, in any case, every character literally."""
    is_dead: bool | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None

    def among(self, tasks: QuerySet[Task]) -> QuerySet[Task]:
        """Those of the tasks that are meant."""
        plain = {
            "status__in": self.statuses,
            "agent": self.agent_id,
            "queue": self.queue_id,
            "source": self.source,
            "createdat__gt": self.created_after,
            "createdat__lt": self.created_before,
        }
        found = tasks.filter(**{name: value for name, value in plain.items() if value is not None})
        if self.is_dead is not None:
            found = found.filter(DEAD if self.is_dead else ~DEAD)
        if self.search is not None:
            found = found.filter(Q(title__icontains=self.search) | Q(prompt__icontains=self.search))
        return found

    def as_json(self) -> dict[str, Any]:
        """For a column; `from_json` reads it."""
        named = {name: value for name, value in asdict(self).items() if value is not None}
        return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in named.items()}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "TaskCriteria":
        """What `as_json` has written."""
        times: dict[str, Any] = {
            name: parse_datetime(stored[name]) for name in ("created_after", "created_before") if name in stored
        }
        return cls(**{**stored, **times})


SEARCH_SECONDS: Final = 5
"""How long a list with a search may take: it reads the texts of all tasks that the other conditions leave."""


@contextmanager
def bounded_search(search: str | None) -> Iterator[None]:
    """Run the queries of a list within a time that leaves the database to others; without a search nothing happens.

    Raises InvalidInput when it takes too long.
    """
    if search is None:
        yield
        return
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{SEARCH_SECONDS}s"])
            yield
    except OperationalError as error:
        if not isinstance(error.__cause__, QueryCanceled):
            raise
        message = f"This search takes longer than {SEARCH_SECONDS} s. Add a status, an agent, a queue or a time."
        raise InvalidInput.for_field("search", "too_slow", message) from None
