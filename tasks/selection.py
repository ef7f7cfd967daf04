"""Which tasks a claim takes, within every limit. The caller holds the claims' lock (`tasks.locks.hold_claims`).

The cost does not grow with the number of tasks: ready tasks stand in lanes, one for each owner and agent, those with a
time before which they must not run apart from the others, and only the head of a lane that may run is read.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from django.conf import settings
from django.db import connection

from tasks import lane_queries
from tasks.fair_share import Candidate, Lane, choose
from tasks.models import Queue, SystemSetting, Task
from tasks.models.system_setting import STOP_SWITCH, TASK_OPERATOR, means_on

LOOKED_AT: Final = 1_000
"""How far into a lane a claim looks for a task whose concurrency key is free."""

Room = tuple[Literal["owner", "agent"], int]
"""A limit that tasks of several queues share."""


def rooms_of(task: Task) -> list[Room]:
    """The limits under which a task runs, apart from its queue's."""
    ids: dict[Literal["owner", "agent"], int | None] = {"owner": task.owner_id, "agent": task.agent_id}
    return [(kind, pk) for kind, pk in ids.items() if pk is not None]


@dataclass(frozen=True, kw_only=True)
class OutsideWorker:
    """Somebody outside who carries out tasks of their own agents of the kind `external`, or of one of these."""

    owner_id: int
    agent_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The tasks to start, and what could let others start: a time, or a limit that is used up now."""

    queue: Queue | None = None
    task_ids: list[int] = field(default_factory=list)
    look_again_at: datetime | None = None
    waits_for: frozenset[Room] = frozenset()


@dataclass
class Running:
    """How many tasks run now, counted by what limits them."""

    in_queue: Counter[int] = field(default_factory=Counter)
    of_owner: Counter[int] = field(default_factory=Counter)
    of_agent: Counter[int] = field(default_factory=Counter)
    of_owner_in_queue: Counter[tuple[int, int]] = field(default_factory=Counter)
    handed_out: int = 0
    """Of those that the task operator has handed out: at most one."""


def select(*, queue_id: int, limit: int, now: datetime, taker: OutsideWorker | None = None) -> Selection:
    """Choose at most `limit` tasks of a queue that may start at `now`, the database's time.

    Without a `taker` they are for our own workers.
    """
    queue = Queue.objects.filter(pk=queue_id).first()
    switches = SystemSetting.objects.values_of(STOP_SWITCH, TASK_OPERATOR)
    if queue is None or queue.is_paused or means_on(switches.get(STOP_SWITCH)):
        return Selection()
    running = count_running()
    room, look_again_at = _room_of(queue, running, now)
    room = min(limit, room)
    if room <= 0:
        return Selection(look_again_at=look_again_at)
    lanes = _lanes(queue, running, now, taker)
    free = [lane for lane in lanes if lane.owner_room > 0 and lane.agent_room > 0]
    hands_out = means_on(switches.get(TASK_OPERATOR)) and not running.handed_out
    chosen = choose(free, _heads(queue, free, room, now, hands_out=hands_out), room) if free else []
    return Selection(queue=queue, task_ids=chosen, look_again_at=look_again_at, waits_for=_used_up(lanes))


def is_stopped() -> bool:
    """Whether the operators' stop switch is on."""
    return means_on(_stop_switch())


def stops_running() -> bool:
    """Whether the stop switch is on and also stops what runs."""
    return is_stopped() and bool(_stop_switch().get("stops_running"))


def _stop_switch() -> dict[str, Any]:
    return SystemSetting.objects.value_of(STOP_SWITCH) or {}


def is_task_operator_on() -> bool:
    """Whether what the task operator has handed out may start."""
    return means_on(SystemSetting.objects.value_of(TASK_OPERATOR))


def queues_with_ready_tasks() -> list[int]:
    """Every queue in which a task waits, due or not."""
    return [queue_id for (queue_id,) in _rows(lane_queries.QUEUES, {}) if queue_id is not None]


def _room_of(queue: Queue, running: Running, now: datetime) -> tuple[int, datetime | None]:
    room = room_in(queue, running)
    left, look_again_at = starts_left(queue, now)
    return (room if left is None else min(room, left)), look_again_at


def room_in(queue: Queue, running: Running) -> int:
    """How many more tasks may run in a queue at once."""
    return queue.concurrency_limit - running.in_queue[queue.pk]


def starts_left(queue: Queue, now: datetime) -> tuple[int | None, datetime | None]:
    """How many tasks a queue's rate lets start now (None: any number) and, if none, when the next one may."""
    if queue.rate_limit is None:
        return None, None
    period = timedelta(seconds=queue.rate_period_seconds)
    starts = list(queue.starts.filter(at__gt=now - period).order_by("-at").values_list("at", flat=True))
    left = queue.rate_limit - len(starts)
    # The oldest start that still counts against the limit makes room when its period is over.
    return left, starts[queue.rate_limit - 1] + period if left <= 0 else None


def count_running() -> Running:
    """What runs now, everywhere."""
    counted = Running()
    for queue_id, owner_id, agent_id, number, handed_out in _rows(lane_queries.RUNNING, {}):
        counted.in_queue[queue_id] += number
        counted.of_owner[owner_id] += number
        counted.of_agent[agent_id] += number
        counted.of_owner_in_queue[owner_id, queue_id] += number
        counted.handed_out += handed_out
    return counted


def outside_queues(*, owner_id: int, agent_ids: Sequence[int], queue_ids: Sequence[int]) -> list[int]:
    """Those queues in which tasks wait for an outside worker of the owner; that with the next task comes first."""
    names = {"owner": owner_id, "agents": list(agent_ids), "queues": list(queue_ids)}
    return [queue_id for (queue_id,) in _rows(lane_queries.OUTSIDE_QUEUES, names)]


def _lanes(queue: Queue, running: Running, now: datetime, taker: OutsideWorker | None) -> list[Lane]:
    """The lanes for this taker whose agents are neither paused nor held and whose owners are active."""
    whose, names = lane_queries.OF_OWN_WORKERS, dict[str, int | None]()
    if taker is not None:
        whose, names = lane_queries.OF_OUTSIDE_WORKER, {"taker": taker.owner_id, "agent": taker.agent_id}
    lanes = _read_lanes(lane_queries.LANES + lane_queries.LIMITS + whose, names, queue, running, now)
    return [lane for lane in lanes if lane.closed_by is None]


def lane_of(*, owner_id: int, agent_id: int, queue: Queue, running: Running, now: datetime) -> Lane:
    """The lane of an agent for an owner in a queue, whether or not it may start anything."""
    names: dict[str, int | None] = {"owner": owner_id, "agent": agent_id}
    return _read_lanes(lane_queries.ONE_LANE + lane_queries.LIMITS, names, queue, running, now)[0]


def _read_lanes(
    statement: str, names: Mapping[str, int | None], queue: Queue, running: Running, now: datetime
) -> list[Lane]:
    limits = {"queue": queue.pk, "now": now, "running_limit": settings.PERSONALQ_USER_RUNNING_LIMIT}
    return [
        Lane(
            owner_id=owner_id,
            agent_id=agent_id,
            owner_room=owner_limit - running.of_owner[owner_id],
            agent_room=agent_limit - running.of_agent[agent_id],
            running_of_owner=running.of_owner_in_queue[owner_id, queue.pk],
            served_at=served_at,
            closed_by=closed_by,
        )
        for owner_id, agent_id, agent_limit, owner_limit, served_at, closed_by in _rows(statement, {**limits, **names})
    ]


def _used_up(lanes: Sequence[Lane]) -> frozenset[Room]:
    owners: set[Room] = {("owner", lane.owner_id) for lane in lanes if lane.owner_room <= 0}
    agents: set[Room] = {("agent", lane.agent_id) for lane in lanes if lane.agent_room <= 0}
    return frozenset(owners | agents)


def _heads(queue: Queue, lanes: Sequence[Lane], limit: int, now: datetime, *, hands_out: bool) -> list[Candidate]:
    """The first tasks of each lane; without `hands_out` none of those that the task operator has handed out."""
    parameters = {
        "queue": queue.pk,
        "now": now,
        "limit": limit,
        "looked_at": LOOKED_AT,
        "hands_out": hands_out,
        "owners": [lane.owner_id for lane in lanes],
        "agents": [lane.agent_id for lane in lanes],
    }
    return [
        Candidate(
            task_id=task_id,
            owner_id=owner_id,
            agent_id=agent_id,
            order=order,
            concurrency_key=key,
            is_handed_out=is_handed_out,
        )
        for task_id, owner_id, agent_id, order, key, is_handed_out in _rows(lane_queries.HEADS, parameters)
    ]


def _rows(statement: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
