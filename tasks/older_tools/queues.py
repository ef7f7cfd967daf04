"""Queues as the older service had them."""

from typing import Any

from django.db.models import Count, Exists, OuterRef, Q

from accounts.models import User
from personalq.lib.errors import NotFound
from tasks import access, agents, queues
from tasks.models import DEFAULT_QUEUE, Agent, OlderAgent, OlderKind, Queue, Schedule, Task
from tasks.older_tools.words import expect_storable, no_such
from tasks.queue_counts import QueueCounts, counts_of
from tasks.queues import QueueInUse
from tasks.states import UNFINISHED


def list_queues(*, actor: User) -> dict[str, Any]:
    """The actor's own queues and the shared ones, oldest first, each with its counts."""
    Queue.objects.shared_default()
    found = list(access.queues_of(actor).order_by("pk"))
    counts, coming = counts_of(found, user=actor), _coming(actor, found)
    return {"queues": [_row(queue, counts[queue.pk], coming.get(queue.pk, 0)) for queue in found]}


def queue_info(*, actor: User, name: str) -> dict[str, Any]:
    """One queue with its counts. Raises NotFound."""
    queue = _find(actor, name)
    return _row(queue, counts_of([queue], user=actor)[queue.pk], _coming(actor, [queue]).get(queue.pk, 0))


def delete_queue(*, actor: User, name: str) -> dict[str, Any]:
    """Delete an empty queue; one-time agents of these tools whose work is over do not keep it.

    Raises NotFound, QueueInUse for the default queue (whoever asks) and one with work or agents, and NotYours for
    another shared one.
    """
    found = _find(actor, name)
    if found.is_shared and found.name == DEFAULT_QUEUE:
        raise QueueInUse("Cannot delete the default queue. It always stays; operators may pause it.")
    queue = access.queue_for(actor, found.uuid, "change")
    idle = _idle_agents(queue)
    if queue.agents.existing().exclude(pk__in=[agent.pk for agent in idle]).exists():
        raise _still_has_jobs(name)
    for agent in idle:
        agents.change(actor=actor, agent=agent, queue=Queue.objects.shared_default())
    try:
        queues.delete(actor=actor, queue=queue)
    except QueueInUse:
        raise _still_has_jobs(name) from None
    return {"success": True, "message": f'Queue "{name}" deleted successfully'}


def _still_has_jobs(name: str) -> QueueInUse:
    return QueueInUse(f'Cannot delete queue "{name}" - it still has jobs. Remove all agents first.')


def _find(actor: User, name: str) -> Queue:
    expect_storable("Queue", name)
    try:
        return access.queue_named(actor, name)
    except NotFound:
        if name == DEFAULT_QUEUE:
            return Queue.objects.shared_default()
        raise no_such("Queue", name) from None


def _row(queue: Queue, counts: QueueCounts, coming: int) -> dict[str, Any]:
    return {
        "name": queue.name,
        "waiting": counts.waiting,
        "active": counts.active,
        "completed": counts.completed,
        "failed": counts.failed,
        # The older service kept the next job of each schedule as one that is delayed.
        "delayed": counts.delayed + coming,
        "agents": counts.agents,
    }


def _coming(actor: User, found: list[Queue]) -> dict[int, int]:
    """How many schedules will give each queue a task."""
    sees_all = access.is_operator_for(actor, Schedule, "view")
    mine = access.everybodys_schedules(actor) if sees_all else access.schedules_of(actor)
    due = mine.filter(is_paused=False, next_due_at__isnull=False).order_by()
    of_agents = (
        due.filter(queue__isnull=True, agent__queue__in=found).values("agent__queue").annotate(count=Count("pk"))
    )
    of_their_own = due.filter(queue__in=found).values("queue").annotate(count=Count("pk"))
    counted = {row["agent__queue"]: row["count"] for row in of_agents}
    for row in of_their_own:
        counted[row["queue"]] = counted.get(row["queue"], 0) + row["count"]
    return counted


def _idle_agents(queue: Queue) -> list[Agent]:
    """Those of the older tools that ran once and have nothing left to do."""
    unfinished = Task.objects.filter(agent=OuterRef("agent"), status__in=UNFINISHED)
    rows = OlderAgent.objects.filter(
        ~Exists(unfinished),
        Q(schedule__isnull=True) | Q(schedule__deleted_at__isnull=False),
        kind=OlderKind.AGENT,
        agent__queue=queue,
        agent__deleted_at__isnull=True,
    )
    return [row.agent for row in rows.select_related("agent")]
