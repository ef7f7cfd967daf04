"""Which task a claim takes: the next of its queue whose agent may run one more."""

from tasks.models import Agent, Queue, Task


def next_task(queue: Queue) -> Task | None:
    """Lock and return the next ready task of a queue whose row the caller holds; None when there is none to take."""
    if queue.is_paused or queue.tasks.running().count() >= queue.concurrency_limit:
        return None
    candidates = Task.objects.waiting().filter(queue=queue).select_related("agent")
    candidates = candidates.select_for_update(no_key=True, skip_locked=True, of=("self",))
    busy: set[int] = set()
    while task := candidates.exclude(agent_id__in=busy).first():
        if task.agent_id is None or _has_room(task.agent_id):
            return task
        busy.add(task.agent_id)
    return None


def _has_room(agent_id: int) -> bool:
    # The row lock makes two queues that serve one agent count one after the other.
    agent = Agent.objects.select_for_update(no_key=True).get(pk=agent_id)
    return agent.tasks.running().count() < agent.concurrency_limit
