"""The operators' switch that gives tasks without an agent to the default agent, one after the other.

Such tasks are rows that SQL wrote or an import brought. While it is on, the one with the lowest `order` is next (then
the lowest id); the following one waits until it has ended. One that failed waits its pause beside the others.
"""

import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import DatabaseError, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from accounts.models import User
from personalq.lib.errors import Conflict, InvalidInput
from personalq.lib.identifiers import as_uuid
from tasks import access, dispatch, events, holds, lifecycle, locks, selection, trail
from tasks.clock import database_now
from tasks.models import Agent, Queue, SystemSetting, Task
from tasks.models.system_setting import TASK_OPERATOR, TASK_OPERATOR_KNOWN, means_on
from tasks.models.task import TaskQuerySet
from tasks.spending import budgets
from tasks.states import Status

_logger = logging.getLogger(__name__)
AGENT_NAME: Final = "task-operator"
"""The name by which an operator's own agent is taken when none was ever chosen."""
CLEARED_SECONDS: Final = 60
"""How long a task stands behind the others after the task operator was freed from it."""
LOOKED_AT: Final = 100
"""How many rows one call may put aside, for approval or by a policy, before it finds one that may run."""
ADOPTED_AT_ONCE: Final = 20
"""How many of the first rows one call records if no sweep has done so yet."""


class NoDefaultAgent(Conflict):
    """Nobody is there to carry the tasks out."""

    code = "no_default_agent"
    title = "The task operator has no agent."
    advice = (
        f"Choose an operator's agent on the page Task operator, name one in POST /api/v1/task-operator,"
        f" or make an agent of your own named {AGENT_NAME}; then turn it on again."
    )


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What keeps the task operator from handing out, as a stable code and a sentence for people."""

    code: str
    sentence: str


_SENTENCES: Final = {
    "off": "The task operator, which gives tasks without an agent to one, is off. An operator can turn it on.",
    "no_default_agent": f"It was turned on by SQL and has no agent. {NoDefaultAgent.advice}",
    "agent_deleted": "Its agent was deleted. Turn it on with another agent; the tasks wait.",
    "owner_no_operator": "The owner of its agent is not an active operator any more. Turn it on with another agent.",
    "budget_exhausted": "The budget of its agent is used up. Raise it, or turn it on with another agent.",
    "stop_switch": "The operators have stopped everything.",
    "agent_paused": "Its agent is paused.",
    "agent_held": "Its agent is held by a provider's limit and goes on by itself.",
    "queue_paused": "Its queue is paused.",
}
PROBLEMS: Final = tuple(code for code in _SENTENCES if code != "off")
_AGENT_IS_GONE: Final = frozenset({"no_default_agent", "agent_deleted", "owner_no_operator"})


@dataclass(frozen=True, kw_only=True)
class TaskOperator:
    """How the task operator stands now."""

    is_on: bool = False
    agent: Agent | None = None
    """The default agent, also while it is off."""
    queue: Queue | None = None
    """Where the tasks go; None for the agent's own."""
    trusts_prompts: bool = True
    """Whether prompts are instructions to the agent; otherwise it gets them as text from outside."""
    by: str = ""
    at: datetime | None = None
    problem: Problem | None = None
    """Why nothing starts although it is on, or why it is off although SQL has turned it on."""
    holder: Task | None = None
    """The task that runs or is next at the agent."""
    waiting: int = 0
    """How many tasks have no agent yet."""


@dataclass(frozen=True, kw_only=True)
class Hold:
    """Who carries out the attempt by which a task holds the task operator, and since when."""

    worker: str
    since: datetime | None


@dataclass(frozen=True, kw_only=True)
class _Setting:
    """The switch as it is stored, whoever wrote it."""

    is_on: bool
    agent: Agent | None
    queue: Queue | None
    trusts_prompts: bool
    by: str
    at: datetime | None
    bar: str
    """The code of what keeps it from handing out, if something does."""

    @property
    def target(self) -> Queue | None:
        """The queue that tasks go to."""
        return self.queue or (self.agent.queue if self.agent else None)


def read() -> TaskOperator:
    """How it stands now."""
    setting = _read()
    return TaskOperator(
        is_on=setting.is_on,
        agent=setting.agent,
        queue=setting.queue,
        trusts_prompts=setting.trusts_prompts,
        by=setting.by,
        at=setting.at,
        problem=_problem(setting),
        holder=_holder(),
        waiting=Task.objects.unassigned().count(),
    )


def obstacle() -> Problem | None:
    """Why a task without an agent is given to none: it is off, or it cannot; None when each has its turn."""
    setting = _read()
    code = setting.bar or ("" if setting.is_on else "off")
    return Problem(code=code, sentence=_SENTENCES[code]) if code else None


def hold_of(task: Task) -> Hold:
    """About the task that holds the task operator: no worker and no time while it waits for its start."""
    if task.state != Status.RUNNING:
        return Hold(worker="", since=None)
    started = task.events.filter(kind=events.STARTED, attempt=task.attempts).order_by("-id").first()
    return Hold(worker=str(started.data.get("worker", "")) if started else "", since=task.started_at)


def turn_on(
    *, actor: User, agent: Agent | None = None, queue: Queue | None = None, trusts_prompts: bool | None = None
) -> TaskOperator:
    """Hand out from now on; or, when it is on, with another agent, queue or trust. What is not given stays as it was.

    Without an agent, now or before, the actor's own one named `task-operator` is taken. Another agent without a queue
    means that agent's own queue. Raises NoDefaultAgent, PermissionDenied, and InvalidInput for an agent of somebody who
    is no operator or a queue that is neither shared nor the agent's owner's.
    """
    access.require_task_operator(actor)
    with transaction.atomic():
        locks.hold_hand_out()
        before = _read()
        chosen = _choose(actor, agent, before)
        if queue is None and chosen == before.agent:
            queue = before.queue
        _check_queue(queue, chosen)
        trusts = before.trusts_prompts if trusts_prompts is None else trusts_prompts
        _write(actor, is_on=True, agent=chosen, queue=queue, trusts_prompts=trusts)
        dispatch.hand_out_after_commit()
    setting = _read()
    _take_back(_strays(setting).exclude(agent=setting.agent, queue=setting.target))
    return read()


def turn_off(*, actor: User) -> TaskOperator:
    """Hand nothing out any more, and take back what has not started; what runs goes on.

    When this returns nothing that was handed out will start. Turning it off twice changes nothing. Raises
    PermissionDenied.
    """
    access.require_task_operator(actor)
    with transaction.atomic():
        locks.hold_hand_out()
        # Whoever claims at this moment goes first, and later ones see the switch.
        locks.hold_claims()
        if selection.is_task_operator_on():
            before = _read()
            _write(actor, is_on=False, agent=before.agent, queue=before.queue, trusts_prompts=before.trusts_prompts)
    _take_back(_in_line())
    return read()


def clear(*, actor: User) -> bool:
    """Free the task operator from the task that holds it, which waits a minute behind the others; False when none does.

    Its attempt is stopped and does not count. Raises PermissionDenied, or WorkHandedOver when an outside runner has the
    work and cannot be stopped.
    """
    access.require_task_operator(actor)
    holder = _holder()
    if holder is None:
        return False
    with transaction.atomic():
        put_behind = lifecycle.put_behind(actor=actor, task=holder, pause_seconds=CLEARED_SECONDS)
        if put_behind is not None:
            trail.note_switch("task_operator", "cleared", actor, task=str(holder.uuid))
    return put_behind is not None


def hand_out() -> Task | None:
    """Give the next task to the default agent, if none is under way; the task, or None.

    Called by every sweep, and after each change that could let another one go. Of several at once one does it.
    """
    setting = _read()
    _take_back(_strays(setting))
    if setting.is_on:
        _adopt_the_first()
    for _ in range(LOOKED_AT):
        task = _hand_out_next()
        # One that waits for approval or was refused is not in the way of the others.
        if task is None or task.state == Status.READY:
            return task
    dispatch.hand_out()
    return None


def _adopt_the_first() -> None:
    # A sweep records new rows one by one, by their ids: in between, the lowest order known would not be the lowest.
    new = Task.objects.unassigned().changed_outside().order_by("order", "id")
    for task_id in new.values_list("pk", flat=True)[:ADOPTED_AT_ONCE]:
        lifecycle.adopt(task_id=task_id)


@transaction.atomic
def _hand_out_next() -> Task | None:
    locks.hold_hand_out()
    setting = _read()
    agent, queue = setting.agent, setting.target
    if not setting.is_on or setting.bar or agent is None or queue is None:
        return None
    following = _next(agent, queue)
    if following is None:
        return None
    return lifecycle.hand_out(task=following, agent=agent, queue=queue, trusts_prompts=setting.trusts_prompts)


def _next(agent: Agent, queue: Queue) -> Task | None:
    """The task to hand out now; None when there is none, or when one that was handed out runs or goes before it."""
    if Task.objects.handed_out().running().exists():
        return None
    found = Task.objects.unassigned().filter(recorded_status=Status.READY).due().order_by("order", "id").first()
    if found is None:
        return None
    earlier = Q(order__lt=found.order) | Q(order=found.order, pk__lt=found.pk)
    if _in_line().filter(earlier, agent=agent, queue=queue).due().exists():
        # Its nudge may have come while another one was running.
        dispatch.nudge_after_commit(queue.pk)
        return None
    return found


def _in_line() -> TaskQuerySet:
    """What was handed out and has not started."""
    return Task.objects.handed_out().filter(status=Status.READY, recorded_status=Status.READY)


def _strays(setting: _Setting) -> TaskQuerySet:
    """What stands in line by an earlier decision, such as at another agent, and must not run there any more."""
    if not setting.is_on or setting.bar in _AGENT_IS_GONE:
        return _in_line()
    return _in_line().exclude(agent=setting.agent)


def _take_back(tasks: TaskQuerySet) -> None:
    for task in tasks.only("pk").order_by("pk"):
        try:
            lifecycle.take_back(task=task, reason=lifecycle.SWITCHED)
        except DatabaseError:
            # One row that somebody holds too long must not keep the others waiting; the next sweep comes back to it.
            _logger.warning("Task %s could not be taken back now.", task.pk, exc_info=True)


def _holder() -> Task | None:
    handed_out = Task.objects.handed_out().select_related("agent", "queue", "owner")
    waiting = handed_out.filter(status=Status.READY).due().order_by("order", "id")
    return handed_out.running().first() or waiting.first()


def _read() -> _Setting:
    values = SystemSetting.objects.values_of(TASK_OPERATOR, TASK_OPERATOR_KNOWN)
    stored = values.get(TASK_OPERATOR)
    ours = _members(stored)
    told = {**_members(values.get(TASK_OPERATOR_KNOWN)), **ours}
    agent = _agent(told.get("agent"))
    wants_on = means_on(stored)
    return _Setting(
        is_on=wants_on and agent is not None,
        agent=agent,
        queue=_queue(told.get("queue")),
        trusts_prompts=told.get("trusts_prompts") is not False,
        by=str(ours.get("by") or ""),
        at=_time(ours.get("at")),
        bar=_bar(agent) if wants_on else "",
    )


def _members(value: Any) -> dict[str, Any]:
    # SQL may write any JSON, and must not stop the sweep by it.
    return value if isinstance(value, dict) else {}


def _agent(uuid: object) -> Agent | None:
    """The agent of this id, also a deleted one."""
    known = as_uuid(str(uuid))
    return Agent.objects.filter(uuid=known).select_related("owner", "queue").first() if known else None


def _queue(uuid: object) -> Queue | None:
    known = as_uuid(str(uuid))
    return Queue.objects.filter(uuid=known).first() if known else None


def _time(at: object) -> datetime | None:
    with suppress(ValueError):
        return parse_datetime(at) if isinstance(at, str) else None
    return None


def _bar(agent: Agent | None) -> str:
    if agent is None:
        return "no_default_agent"
    if agent.deleted_at is not None:
        return "agent_deleted"
    if not _is_operators(agent):
        return "owner_no_operator"
    try:
        budgets.refuse_when_exhausted([agent])
    except budgets.BudgetExhausted:
        return "budget_exhausted"
    return ""


def _is_operators(agent: Agent) -> bool:
    return agent.owner.is_active and agent.owner.is_staff


def _problem(setting: _Setting) -> Problem | None:
    code = setting.bar or (_obstacle(setting) if setting.is_on else "")
    return Problem(code=code, sentence=_SENTENCES[code]) if code else None


def _obstacle(setting: _Setting) -> str:
    """Why what is handed out does not start."""
    agent, queue = setting.agent, setting.target
    if selection.is_stopped():
        return "stop_switch"
    if agent is not None and agent.is_paused:
        return "agent_paused"
    if agent is not None and holds.current_hold(until=agent.held_until_at, code=agent.held_code, now=database_now()):
        return "agent_held"
    return "queue_paused" if queue is not None and queue.is_paused else ""


def _choose(actor: User, agent: Agent | None, before: _Setting) -> Agent:
    """The default agent from now on: the one that is named, the one of before, or the actor's own of the usual name."""
    known = before.agent if before.agent is not None and before.agent.deleted_at is None else None
    chosen = agent or known or access.agents_of(actor).filter(name=AGENT_NAME).first()
    if chosen is None:
        raise NoDefaultAgent
    if not _is_operators(chosen):
        raise InvalidInput.for_field("agent", "not_an_operators", "Name an agent whose owner is an active operator.")
    return chosen


def _check_queue(queue: Queue | None, agent: Agent) -> None:
    if queue is not None and not queue.is_shared and queue.owner_id != agent.owner_id:
        raise InvalidInput.for_field("queue", "not_the_owners", "Name a shared queue or one of the agent's owner.")


def _write(actor: User, *, is_on: bool, agent: Agent | None, queue: Queue | None, trusts_prompts: bool) -> None:
    known = {
        "agent": str(agent.uuid) if agent else None,
        "queue": str(queue.uuid) if queue else None,
        "trusts_prompts": trusts_prompts,
    }
    now = timezone.now()
    value = {"is_on": is_on, **known, "by": actor.get_username(), "at": now.isoformat()}
    for name, stored in ((TASK_OPERATOR, value), (TASK_OPERATOR_KNOWN, known)):
        SystemSetting.objects.update_or_create(name=name, defaults={"value": stored, "updated_at": now})
    trail.note_switch("task_operator", "turned_on" if is_on else "turned_off", actor, **known)
    _logger.info("the task operator was turned %s by %s", "on" if is_on else "off", actor.uuid)
