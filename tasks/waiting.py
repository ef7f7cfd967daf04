"""Why a ready task does not run yet. The rules are those by which `tasks.selection` chooses; this names them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tasks import holds, selection, task_operator
from tasks.clock import database_now
from tasks.fair_share import Lane
from tasks.models import Agent, Heartbeat, Queue, Task
from tasks.models.agent import EXTERNAL
from tasks.models.heartbeat import Role
from tasks.readiness import WORKER_SECONDS
from tasks.states import Status

_SENTENCES: Final = {
    "stop_switch": "The operators have stopped everything. It goes on when they turn the stop switch off.",
    "not_recorded": "SQL has just written it. It gets in line within seconds.",
    "task_operator_off": "It is the task operator's, which is off. An operator can turn it on.",
    "task_operator_blocked": "The task operator is on and cannot hand it out.",
    "no_agent": "It has an owner and no agent. Cancel it and queue its prompt for an agent.",
    "owner_inactive": "The account of its owner is not active. Ask an operator.",
    "not_before": "It is not to begin before its time.",
    "agent_paused": "Its agent is paused. Resume the agent.",
    "agent_held": "Its agent is held by a provider's limit. It goes on by itself.",
    "queue_paused": "Its queue is paused. Resume the queue, or move the task to another one.",
    "no_worker": "No worker is running. Ask the operator to start one.",
    "task_operator_next": "The task operator gives it to its agent when those before it have ended.",
    "task_operator_busy": "The task operator lets one task run at a time, and another one is running.",
    "key_busy": "Another task with the same concurrency key is running.",
    "agent_full": "Its agent is carrying out as many tasks as it may at once.",
    "user_full": "As many tasks of its owner are running as one user may have at once.",
    "queue_full": "As many tasks of its queue are running as may at once.",
    "rate": "Its queue has started as many tasks as its rate allows.",
    "outside_worker": "It waits until an outside worker takes it, over MCP, REST or personalq-cli.",
    "next_in_line": "It is in line and starts when a worker has room and those before it have started.",
}
CODES: Final = tuple(_SENTENCES)


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """One reason as a stable code and a sentence for people; `until` is when it will be over, if that is known."""

    code: str
    sentence: str
    until: datetime | None = None


def why(task: Task) -> Waiting | None:
    """What keeps a task from running now; None unless it is ready. Of several reasons the one that reaches furthest."""
    if task.state != Status.READY:
        return None
    return next(_reasons(task, database_now()))


def _reasons(task: Task, now: datetime) -> Iterator[Waiting]:
    """Every reason there is, one after the other, so that only those before the first one cost queries."""
    agent, queue = task.agent, task.queue
    if selection.is_stopped():
        yield _say("stop_switch")
    if queue is None or task.recorded_status != task.status:
        yield _say("not_recorded")
    elif agent is None and task.owner_id is None:
        yield from _reasons_without_agent(task, now)
    elif agent is None or task.owner_id is None:
        yield _say("no_agent")
    else:
        if task.handed_out_at is not None and not selection.is_task_operator_on():
            yield _say("task_operator_off")
        yield from _reasons_in_line(task, task.owner_id, agent, queue, now)
    yield _say("next_in_line")


def _reasons_without_agent(task: Task, now: datetime) -> Iterator[Waiting]:
    if obstacle := task_operator.obstacle():
        code = "task_operator_off" if obstacle.code == "off" else "task_operator_blocked"
        yield Waiting(code=code, sentence=obstacle.sentence)
    if task.not_before_at is not None and task.not_before_at > now:
        yield _say("not_before", until=task.not_before_at)
    yield _say("task_operator_next")


def _reasons_in_line(task: Task, owner_id: int, agent: Agent, queue: Queue, now: datetime) -> Iterator[Waiting]:
    running = selection.count_running()
    lane = selection.lane_of(owner_id=owner_id, agent_id=agent.pk, queue=queue, running=running, now=now)
    if lane.closed_by == "owner_inactive":
        yield _say("owner_inactive")
    if task.not_before_at is not None and task.not_before_at > now:
        yield _say("not_before", until=task.not_before_at)
    if lane.closed_by == "agent_paused":
        yield _say("agent_paused")
    if lane.closed_by == "agent_held":
        yield _held(agent, now)
    if queue.is_paused:
        yield _say("queue_paused")
    is_for_outside = agent.kind == EXTERNAL
    if not is_for_outside and not Heartbeat.objects.filter(role=Role.WORKER).seen_within(WORKER_SECONDS).exists():
        yield _say("no_worker")
    yield from _waits_for_another(task, running)
    yield from _used_up(lane, queue, running, now)
    if is_for_outside:
        yield _say("outside_worker")


def _waits_for_another(task: Task, running: selection.Running) -> Iterator[Waiting]:
    if task.handed_out_at is not None and running.handed_out:
        yield _say("task_operator_busy")
    if _is_key_busy(task):
        yield _say("key_busy")


def _used_up(lane: Lane, queue: Queue, running: selection.Running, now: datetime) -> Iterator[Waiting]:
    if lane.agent_room <= 0:
        yield _say("agent_full")
    if lane.owner_room <= 0:
        yield _say("user_full")
    if selection.room_in(queue, running) <= 0:
        yield _say("queue_full")
    _left, look_again_at = selection.starts_left(queue, now)
    if look_again_at is not None:
        yield _say("rate", until=look_again_at)


def _held(agent: Agent, now: datetime) -> Waiting:
    hold = holds.current_hold(until=agent.held_until_at, code=agent.held_code, now=now)
    # The agent was read before the lane: a hold that is only a moment old is not known here yet.
    return _say("agent_held") if hold is None else Waiting(code="agent_held", sentence=hold.sentence, until=hold.until)


def _is_key_busy(task: Task) -> bool:
    if not task.concurrency_key:
        return False
    others = Task.objects.running().filter(owner_id=task.owner_id, concurrency_key=task.concurrency_key)
    return others.exclude(pk=task.pk).exists()


def _say(code: str, *, until: datetime | None = None) -> Waiting:
    return Waiting(code=code, sentence=_SENTENCES[code], until=until)
