"""Who may see and change what: the only way in to objects for API, pages, sockets, commands and admin.

Owners may do everything with their own. Operators (staff, by Django's model permissions) may see and change all.
Somebody else's object by its id is refused as `not_yours`; objects asked for by name are looked up among your own,
so a name of somebody else's is simply not found.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, TypeVar
from uuid import UUID

from django.db.models import Model, Q, QuerySet

from accounts.models import User
from accounts.refusals import not_yours
from personalq.lib.errors import NotFound, PermissionDenied
from personalq.lib.identifiers import as_uuid
from tasks.models import (
    Agent,
    Approval,
    Artifact,
    Budget,
    BulkAction,
    Conversation,
    Queue,
    Schedule,
    Spending,
    SystemSetting,
    Task,
)
from tasks.models.schedule import ScheduleQuerySet

Deed = Literal["view", "change"]
M = TypeVar("M", bound=Model)
R = TypeVar("R", Agent, Queue)


def is_operator_for(user: User, model: type[Model], deed: Deed) -> bool:
    """Whether a user may do this with everybody's objects of a kind."""
    if not (user.is_active and user.is_staff):
        return False
    # Who may change must be able to see what came of it.
    return all(user.has_perm(f"tasks.{each}_{model._meta.model_name}") for each in {"view", deed})


def is_owner_or_operator(user: User, found: Any, deed: Deed) -> bool:
    """Whether a user may do this with one object that has an owner."""
    if deed == "change" and isinstance(found, Budget) and found.is_by_operator:
        return is_operator_for(user, Budget, deed)
    return bool(found.owner_id == user.pk) or is_operator_for(user, type(found), deed)


def tasks_of(user: User) -> QuerySet[Task]:
    return Task.objects.filter(owner=user)


def agents_of(user: User) -> QuerySet[Agent]:
    return Agent.objects.existing().filter(owner=user)


def queues_of(user: User) -> QuerySet[Queue]:
    """A user's own queues and the shared ones."""
    return Queue.objects.filter(Q(owner=user) | Q(owner__isnull=True))


def bulk_actions_of(user: User) -> QuerySet[BulkAction]:
    return BulkAction.objects.without_tasks().filter(owner=user)


def approvals_of(user: User) -> QuerySet[Approval]:
    return Approval.objects.filter(owner=user)


def budgets_of(user: User) -> QuerySet[Budget]:
    """A user's own budgets and those that operators have set for them."""
    return Budget.objects.filter(owner=user)


def spending_of(user: User) -> QuerySet[Spending]:
    return Spending.objects.filter(owner=user)


def conversations_of(user: User) -> QuerySet[Conversation]:
    return Conversation.objects.filter(owner=user)


def require_task_operator(user: User) -> None:
    """For operators who may turn switches; raises PermissionDenied."""
    if not is_operator_for(user, SystemSetting, "change"):
        raise PermissionDenied("Only operators may see and turn the task operator. Queue tasks for your own agents.")


def schedules_of(user: User) -> ScheduleQuerySet:
    return Schedule.objects.existing().filter(owner=user)


def everybodys_tasks(user: User, deed: Deed = "view") -> QuerySet[Task]:
    """For operators only; raises PermissionDenied."""
    _require_operator(user, Task, deed)
    return Task.objects.all()


def everybodys_agents(user: User) -> QuerySet[Agent]:
    """For operators only; raises PermissionDenied."""
    _require_operator(user, Agent)
    return Agent.objects.existing()


def everybodys_queues(user: User) -> QuerySet[Queue]:
    """For operators only; raises PermissionDenied."""
    _require_operator(user, Queue)
    return Queue.objects.all()


def everybodys_bulk_actions(user: User) -> QuerySet[BulkAction]:
    """For operators only; raises PermissionDenied."""
    _require_operator(user, BulkAction)
    return BulkAction.objects.without_tasks()


def everybodys_approvals(user: User) -> QuerySet[Approval]:
    """For operators only; raises PermissionDenied."""
    _require_operator(user, Approval)
    return Approval.objects.all()


def everybodys_budgets(user: User, deed: Deed = "view") -> QuerySet[Budget]:
    """For operators only; raises PermissionDenied."""
    _require_operator(user, Budget, deed)
    return Budget.objects.all()


def everybodys_spending(user: User) -> QuerySet[Spending]:
    """For operators only; raises PermissionDenied."""
    _require_operator(user, Spending)
    return Spending.objects.all()


def everybodys_conversations(user: User) -> QuerySet[Conversation]:
    """For operators only; raises PermissionDenied."""
    _require_operator(user, Conversation)
    return Conversation.objects.all()


def everybodys_schedules(user: User) -> ScheduleQuerySet:
    """For operators only; raises PermissionDenied."""
    _require_operator(user, Schedule)
    return Schedule.objects.existing()


def task_for(user: User, uuid: UUID, deed: Deed = "view") -> Task:
    """The task of this id. Raises NotFound, or NotYours when it belongs to somebody else."""
    return _one(user, Task.objects.select_related("agent", "queue"), uuid, deed)


def agent_for(user: User, uuid: UUID, deed: Deed = "view") -> Agent:
    """The agent of this id. Raises NotFound, or NotYours when it belongs to somebody else."""
    return _one(user, Agent.objects.existing().select_related("queue"), uuid, deed)


def queue_for(user: User, uuid: UUID, deed: Deed = "view") -> Queue:
    """The queue of this id; shared queues may be seen by all and changed by operators."""
    queue = _found(Queue.objects.all(), uuid)
    if not (deed == "view" and queue.is_shared):
        _check_owner(user, queue, deed)
    return queue


def bulk_action_for(user: User, uuid: UUID, deed: Deed = "view") -> BulkAction:
    """The bulk action of this id. Raises NotFound, or NotYours when it belongs to somebody else."""
    return _one(user, BulkAction.objects.without_tasks().select_related("owner", "queue"), uuid, deed)


def artifact_for(user: User, uuid: UUID, deed: Deed = "view") -> Artifact:
    """The artifact of this id, without its bytes, for whoever may do this with its task. Raises as `task_for`."""
    artifact = _found(Artifact.objects.select_related("task").defer("content"), uuid)
    _check_owner(user, artifact.task, deed)
    return artifact


def approval_for(user: User, uuid: UUID, deed: Deed = "view") -> Approval:
    """The approval of this id. Raises NotFound, or NotYours when it belongs to somebody else."""
    rows = Approval.objects.select_related("task__agent", "owner", "decided_by")
    return _one(user, rows, uuid, deed)


def budget_for(user: User, uuid: UUID, deed: Deed = "view") -> Budget:
    """The budget of this id. Raises NotFound, NotYours, or PermissionDenied when only operators may change it."""
    budget = _found(Budget.objects.select_related("agent", "owner"), uuid)
    if budget.owner_id == user.pk and not is_owner_or_operator(user, budget, deed):
        raise PermissionDenied("The operators have set this budget. Ask them to change it.")
    _check_owner(user, budget, deed)
    return budget


def conversation_for(user: User, uuid: UUID, deed: Deed = "view") -> Conversation:
    """The conversation of this id. Raises NotFound, or NotYours when it belongs to somebody else."""
    return _one(user, Conversation.objects.select_related("agent", "owner"), uuid, deed)


def schedule_for(user: User, uuid: UUID, deed: Deed = "view") -> Schedule:
    """The schedule of this id. Raises NotFound, or NotYours when it belongs to somebody else."""
    return _one(user, Schedule.objects.existing().select_related("agent", "queue", "owner"), uuid, deed)


def schedule_named(user: User, name: str) -> Schedule:
    """One of the user's own schedules by uuid or name. Raises NotFound or, for a foreign uuid, NotYours."""
    uuid = as_uuid(name)
    if uuid is None:
        return _named(schedules_of(user).select_related("agent", "queue", "owner"), name, "schedule")
    schedule = schedule_for(user, uuid)
    if schedule.owner_id != user.pk:
        raise not_yours(user, schedule)
    return schedule


def agent_named(user: User, name: str) -> Agent:
    """One of the user's own agents by uuid or name. Raises NotFound or, for a foreign uuid, NotYours."""
    uuid = as_uuid(name)
    if uuid is not None:
        agent = agent_for(user, uuid)
        if agent.owner_id != user.pk:
            raise not_yours(user, agent)
        return agent
    return _named(agents_of(user), name, "agent")


def queue_named(user: User, name: str) -> Queue:
    """A queue that the user may put tasks into, by uuid or name; an own one goes before a shared one."""
    uuid = as_uuid(name)
    if uuid is not None:
        queue = queue_for(user, uuid)
        if not queue.is_shared and queue.owner_id != user.pk:
            raise not_yours(user, queue)
        return queue
    return _named(queues_of(user).order_by("owner_id"), name, "queue")


def agents_named(user: User, names: Collection[str]) -> dict[str, Agent]:
    """Those of the user's own agents that the names and ids mean, in one query. Raises NotYours for a foreign uuid."""
    uuids = _uuids_in(names)
    wanted = Q(uuid__in=uuids.values()) | Q(owner=user, name__in=set(names) - set(uuids))
    agents = list(Agent.objects.existing().filter(wanted))
    for agent in agents:
        if agent.owner_id != user.pk:
            raise not_yours(user, agent)
    return _by_name(names, uuids, agents)


def queues_named(user: User, names: Collection[str]) -> dict[str, Queue]:
    """The queues for the user's tasks that the names and ids mean, as `queue_named` has it, in one query."""
    uuids = _uuids_in(names)
    mine_or_shared = Q(owner=user) | Q(owner__isnull=True)
    wanted = Q(uuid__in=uuids.values()) | (mine_or_shared & Q(name__in=set(names) - set(uuids)))
    # Own ones last: they replace shared ones of the same name.
    queues = sorted(Queue.objects.filter(wanted), key=lambda queue: not queue.is_shared)
    for queue in queues:
        if not queue.is_shared and queue.owner_id != user.pk:
            raise not_yours(user, queue)
    return _by_name(names, uuids, queues)


def _uuids_in(names: Collection[str]) -> dict[str, UUID]:
    """Those names that are ids."""
    return {name: uuid for name in names if (uuid := as_uuid(name)) is not None}


def _by_name(names: Collection[str], uuids: Mapping[str, UUID], found: Sequence[R]) -> dict[str, R]:
    by_uuid = {each.uuid: each for each in found}
    by_name = {each.name: each for each in found}
    meant = {name: by_uuid.get(uuids[name]) if name in uuids else by_name.get(name) for name in names}
    return {name: each for name, each in meant.items() if each is not None}


def _one(user: User, rows: QuerySet[M], uuid: UUID, deed: Deed) -> M:
    found = _found(rows, uuid)
    _check_owner(user, found, deed)
    return found


def _found(rows: QuerySet[M], uuid: UUID) -> M:
    found = rows.filter(uuid=uuid).first()
    if found is None:
        raise NotFound
    return found


def _require_operator(user: User, model: type[Model], deed: Deed = "view") -> None:
    if not is_operator_for(user, model, deed):
        raise PermissionDenied("Only operators may ask for what belongs to others. Ask for your own.")


def _check_owner(user: User, found: Any, deed: Deed) -> None:
    if not is_owner_or_operator(user, found, deed):
        raise not_yours(user, found)


def _named(rows: QuerySet[M], name: str, noun: str) -> M:
    found = rows.filter(name=name).first()
    if found is None:
        raise NotFound(f"You have no {noun} of this name.")
    return found
