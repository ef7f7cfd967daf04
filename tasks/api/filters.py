"""The query parameters of the lists, and the rows that they select."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from django.db.models import Model, QuerySet

from accounts.models import User
from personalq.lib.fields import (
    LARGEST_BIGINT,
    LARGEST_INTEGER,
    StrictCharField,
    StrictChoiceField,
    StrictDateTimeField,
    StrictSerializer,
)
from personalq.lib.queries import ListQuery, QueryBooleanField, QueryIntegerField, StrictQuery
from tasks import access, events
from tasks.api import references
from tasks.criteria import TaskCriteria
from tasks.models import Agent, BulkAction, Queue, Task
from tasks.models.task import Source
from tasks.names import NAME_LENGTH
from tasks.states import WORDS, Status

M = TypeVar("M", bound=Model)
EVERYBODY = "all"
SEARCH_LENGTH = 200
USERNAME_LENGTH = 150
EVENTS_PER_PAGE = 100


class StatusListField(StrictCharField):
    """Words of statuses with commas between them; each at most once."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "invalid_choice": f"Use one or more of these with commas between them: {', '.join(WORDS)}.",
    }

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=100, **options)

    def to_internal_value(self, data: Any) -> Any:
        words = super().to_internal_value(data).split(",")
        if len(set(words)) != len(words) or not set(words) <= set(WORDS):
            self.fail("invalid_choice")
        return [Status.from_word(word) for word in words]


class OwnerQuery(ListQuery):
    """Whose objects to list."""

    owner = StrictCharField(
        max_length=USERNAME_LENGTH,
        required=False,
        help_text="For operators: a user name, or `all`. Without it the list holds what is yours.",
    )


class TaskConditions(StrictSerializer):
    """Conditions on tasks that lists and bulk actions share."""

    agent = StrictCharField(max_length=NAME_LENGTH, required=False, help_text="An agent's id, or the name of yours.")
    queue = StrictCharField(max_length=NAME_LENGTH, required=False, help_text="A queue's id or name.")
    source = StrictChoiceField(  # type: ignore[assignment]  # DRF gives every field an attribute of this name
        choices=Source.values, required=False, help_text="How the task came in."
    )
    search = StrictCharField(
        max_length=SEARCH_LENGTH,
        required=False,
        help_text="Part of the title or prompt, in any case. `%`, `_` and `\\` stand for themselves.",
    )
    created_after = StrictDateTimeField(required=False, help_text="Only tasks that came in later.")
    created_before = StrictDateTimeField(required=False, help_text="Only tasks that came in earlier.")


class TaskQuery(TaskConditions, OwnerQuery):
    """Which tasks to list."""

    status = StatusListField(required=False, help_text="One or more, with commas between them.")
    dead = QueryBooleanField(required=False, help_text="Whether it failed because its attempts were used up.")
    unassigned = QueryBooleanField(
        required=False, help_text="Whether it has no agent. Such tasks are the operators': ask with `owner=all`."
    )


class DeadLetterQuery(OwnerQuery):
    """Which dead letters to list."""

    agent = StrictCharField(max_length=NAME_LENGTH, required=False, help_text="An agent's id, or the name of yours.")
    queue = StrictCharField(max_length=NAME_LENGTH, required=False, help_text="A queue's id or name.")


class EventQuery(StrictQuery):
    """Which events to list."""

    after = QueryIntegerField(
        min_value=0, max_value=LARGEST_BIGINT, required=False, help_text="Only events with a higher id."
    )
    page_size = QueryIntegerField(min_value=1, max_value=EVENTS_PER_PAGE, required=False, help_text="How many at most.")
    attempt = QueryIntegerField(
        min_value=0, max_value=LARGEST_INTEGER, required=False, help_text="Only events of this attempt."
    )
    kind = StrictChoiceField(choices=events.KINDS, required=False, help_text="Only events of this kind.")


def tasks_listed(user: User, query: dict[str, Any]) -> QuerySet[Task]:
    """The tasks that the query asks for, within what the user may see."""
    rows = owned(user, query, own=access.tasks_of, everybodys=access.everybodys_tasks)
    if "unassigned" in query:
        rows = rows.filter(agent__isnull=query["unassigned"])
    return criteria_of(user, query).among(rows)


def criteria_of(user: User, conditions: Mapping[str, Any]) -> TaskCriteria:
    """What the conditions of a list or of a bulk action mean; names are those that `user` knows."""
    agent = references.agent_to_list(user, conditions["agent"]) if "agent" in conditions else None
    queue = references.queue_to_list(user, conditions["queue"]) if "queue" in conditions else None
    return TaskCriteria(
        statuses=conditions.get("status"),
        agent_id=agent.pk if agent else None,
        queue_id=queue.pk if queue else None,
        source=conditions.get("source"),
        search=conditions.get("search"),
        is_dead=conditions.get("dead"),
        created_after=conditions.get("created_after"),
        created_before=conditions.get("created_before"),
    )


def agents_listed(user: User, query: dict[str, Any]) -> QuerySet[Agent]:
    """The agents that the query asks for, within what the user may see."""
    return owned(user, query, own=access.agents_of, everybodys=access.everybodys_agents)


def bulk_actions_listed(user: User, query: dict[str, Any]) -> QuerySet[BulkAction]:
    """The bulk actions that the query asks for, within what the user may see."""
    return owned(user, query, own=access.bulk_actions_of, everybodys=access.everybodys_bulk_actions)


def queues_listed(user: User, query: dict[str, Any]) -> QuerySet[Queue]:
    """The queues that the query asks for, within what the user may see."""
    return owned(user, query, own=access.queues_of, everybodys=access.everybodys_queues)


def owned(
    user: User,
    query: dict[str, Any],
    *,
    own: Callable[[User], QuerySet[M]],
    everybodys: Callable[[User], QuerySet[M]],
) -> QuerySet[M]:
    """The user's own rows, or for operators those of the `owner` that the query names."""
    wanted = query.get("owner")
    if wanted is None:
        return own(user)
    rows = everybodys(user)
    return rows if wanted == EVERYBODY else rows.filter(owner=references.owner_to_list(wanted))
