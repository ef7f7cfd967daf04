"""How much there is in queues, by what became of it, as far as the reader may know."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from django.db import connection
from django.db.models import Window
from django.db.models.functions import RowNumber

from accounts.models import User
from tasks import access
from tasks.models import Agent, Queue, Task

MOST_COUNTED: Final = 10_000
"""Of each figure of each queue. Counting takes longer the more there is, and nobody reads the last digits."""
MOST_AGENTS: Final = 200
MOST_OWNERS: Final = 1_000
"""Whose tasks in a queue are counted for operators."""

# One lane is what one owner has in one queue: the beginning of the index `tasks_of_queue`.
_OWN_LANES: Final = """
WITH lanes (queue, owner, number) AS (
    SELECT wanted.queue, %(owner)s::bigint, 1 FROM unnest(%(queues)s::bigint[]) AS wanted (queue)
)"""
# The index is entered once for each owner, so it does not matter how many tasks they have. The last lane of each queue
# has no owner: rows that were written by SQL. Where it is missing there are too many owners to know them all.
_ALL_LANES: Final = """
WITH RECURSIVE lanes (queue, owner, number) AS (
    SELECT wanted.queue, (SELECT min(owner_id) FROM tasks WHERE queue_id = wanted.queue), 1
    FROM unnest(%(queues)s::bigint[]) AS wanted (queue)
    UNION ALL
    SELECT lanes.queue, (SELECT min(owner_id) FROM tasks WHERE queue_id = lanes.queue AND owner_id > lanes.owner),
        lanes.number + 1
    FROM lanes WHERE lanes.owner IS NOT NULL AND lanes.number <= %(owners)s
)"""
_ROWS: Final = """
    FROM lanes CROSS JOIN LATERAL (
        SELECT not_before_at FROM tasks
        WHERE queue_id = lanes.queue AND owner_id = lanes.owner AND {condition}
        UNION ALL
        SELECT not_before_at FROM tasks
        WHERE lanes.owner IS NULL AND queue_id = lanes.queue AND owner_id IS NULL AND {condition}
    ) AS found WHERE lanes.queue = wanted.queue LIMIT %(most)s + 1"""


def _number(condition: str) -> str:
    return f"(SELECT count(*) FROM (SELECT 1 {_ROWS.format(condition=condition)}) AS counted)"


_TIMED: Final = _ROWS.format(condition="status = 0 AND not_before_at IS NOT NULL")
_COUNTS: Final = f"""
SELECT wanted.queue, {_number("status = 0 AND not_before_at IS NULL")}, timed.due, timed.later,
    {_number("status = 4")}, {_number("status = 1")}, {_number("status = 5")},
    EXISTS (SELECT FROM lanes WHERE lanes.queue = wanted.queue AND (lanes.owner IS NULL OR %(owner)s IS NOT NULL))
FROM unnest(%(queues)s::bigint[]) AS wanted (queue) CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE not_before_at <= now()) AS due, count(*) FILTER (WHERE not_before_at > now()) AS later
    FROM (SELECT not_before_at {_TIMED}) AS counted
) AS timed"""


@dataclass(frozen=True, kw_only=True)
class QueueCounts:
    """What is in one queue. Tasks that were cancelled, put aside or archived are in none of the figures."""

    waiting: int = 0
    """Ready and due."""
    active: int = 0
    completed: int = 0
    failed: int = 0
    """With those whose attempts are used up."""
    delayed: int = 0
    """Ready, and not to begin before a time that is still to come."""
    agents: list[str] = field(default_factory=list)
    """Names of the agents whose tasks come here unless something else is said, in the order of the alphabet."""
    is_capped: bool = False
    """Whether there is more of something than was counted: then the figures say `at least`."""
    is_whole: bool = True
    """Whether tasks and agents of everybody are in it; an ordinary user knows only their own of a shared queue."""


def counts_of(queues: Iterable[Queue], *, user: User, most: int = MOST_COUNTED) -> dict[int, QueueCounts]:
    """The counts of each queue by its key, in two queries; of each figure at most `most` are counted.

    Operators get what everybody has there, all others their own tasks and the names of their own agents.
    """
    wanted = {queue.pk: queue for queue in queues}
    sees_all = access.is_operator_for(user, Task, "view")
    names = _agent_names(user, list(wanted))
    return {
        row[0]: _counts(row, names.get(row[0], []), most, is_whole=sees_all or not wanted[row[0]].is_shared)
        for row in _rows(list(wanted), owner=None if sees_all else user, most=most)
    }


def _rows(queues: Sequence[int], *, owner: User | None, most: int) -> list[Any]:
    lanes = _ALL_LANES if owner is None else _OWN_LANES
    owner_id = None if owner is None else owner.pk
    values = {"queues": list(queues), "owner": owner_id, "most": most, "owners": MOST_OWNERS}
    with connection.cursor() as cursor:
        cursor.execute(lanes + _COUNTS, values)
        return list(cursor.fetchall())


def _counts(row: Sequence[int], names: list[str], most: int, *, is_whole: bool) -> QueueCounts:
    _, untimed, due, later, active, completed, failed, knows_all_lanes = row
    is_capped = not knows_all_lanes or max(untimed + due, due + later, active, completed, failed) > most
    return QueueCounts(
        waiting=min(untimed + due, most),
        active=min(active, most),
        completed=min(completed, most),
        failed=min(failed, most),
        delayed=min(later, most),
        agents=names[:MOST_AGENTS],
        is_capped=is_capped or len(names) > MOST_AGENTS,
        is_whole=is_whole,
    )


def _agent_names(user: User, queues: Sequence[int]) -> dict[int, list[str]]:
    agents = access.everybodys_agents(user) if access.is_operator_for(user, Agent, "view") else access.agents_of(user)
    place = Window(RowNumber(), partition_by="queue_id", order_by="name")
    first = agents.filter(queue__in=queues).annotate(place=place).filter(place__lte=MOST_AGENTS + 1)
    rows = first.order_by("queue_id", "name").values_list("queue_id", "name")
    # Several owners may use one name.
    return {queue: list(dict.fromkeys(name for _, name in group)) for queue, group in groupby(rows, itemgetter(0))}
