"""Work that people's own agents take and bring back: over MCP, REST or the command-line client.

They claim like our workers do, within the same limits, and hold a lease that they renew by reporting progress. Whoever
stays silent for longer loses the task to somebody else, and what they bring then is refused.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from accounts.models import User
from personalq.lib.errors import Conflict, InvalidInput
from tasks import access, lifecycle, selection
from tasks.claims import Claim, ClaimLost
from tasks.models import Agent, Queue, Task
from tasks.models.agent import EXTERNAL

LEASE_SECONDS: Final = 600
LONGEST_LEASE_SECONDS: Final = 86_400
WORKER_LENGTH: Final = 100
REASON_LENGTH: Final = 2_000


class ClaimOver(Conflict):
    """Somebody else has the task by now, or it has ended."""

    code = "claim_over"
    title = "This attempt of the task is over."
    advice = "Stop working on it and take the next task."


def take_next(
    *,
    actor: User,
    worker: str,
    agent: Agent | None = None,
    queue: Queue | None = None,
    lease_seconds: int = LEASE_SECONDS,
) -> Task | None:
    """Claim the next task of the actor's own agents of the kind `external`; None when none may start now.

    `task.attempts` is the attempt, the right to write about it. Raises InvalidInput for an agent of another kind.
    """
    if agent is not None and agent.kind != EXTERNAL:
        raise InvalidInput.for_field("agent", "wrong_kind", "Tasks of this agent are carried out here. Use another.")
    taker = selection.OutsideWorker(owner_id=actor.pk, agent_id=None if agent is None else agent.pk)
    for queue_id in _queues(actor, agent, queue):
        claimed = lifecycle.claim(queue_id=queue_id, worker=worker, taker=taker, lease_seconds=lease_seconds)
        if claimed.tasks:
            return claimed.tasks[0]
    return None


def report_progress(
    *, actor: User, task: Task, attempt: int, text: str = "", lease_seconds: int = LEASE_SECONDS
) -> Task:
    """Renew the lease and add to the output; raises ClaimOver, or InvalidInput when there is too much output."""
    with _claim(actor, task, attempt) as claim:
        return lifecycle.keep(claim=claim, lease_seconds=lease_seconds, text=text)


def complete(*, actor: User, task: Task, attempt: int, result: str) -> Task:
    """End an attempt well; raises ClaimOver, or InvalidInput for a result beyond the agent's limit for output."""
    with _claim(actor, task, attempt) as claim:
        if task.agent is not None and len(result.encode()) > task.agent.output_limit_bytes:
            raise InvalidInput.for_field(
                "result", "too_long", "The result is longer than the agent's limit for output."
            )
        return lifecycle.complete(claim=claim, result=result)


def fail(*, actor: User, task: Task, attempt: int, reason: str, is_final: bool = False) -> Task:
    """End an attempt badly; unless that is final, it is tried again while attempts are left. Raises ClaimOver."""
    code = "reported_failed" if is_final else "worker_failed"
    said: dict[str, Any] = {"said": reason} if reason else {}
    with _claim(actor, task, attempt) as claim:
        return lifecycle.fail(claim=claim, code=code, **said)


def _queues(actor: User, agent: Agent | None, queue: Queue | None) -> list[int]:
    """Where tasks wait for the actor, that with the next one first."""
    agents = [agent] if agent is not None else list(access.agents_of(actor).filter(kind=EXTERNAL))
    waiting = [queue.pk] if queue is not None else selection.queues_with_ready_tasks()
    return selection.outside_queues(owner_id=actor.pk, agent_ids=[each.pk for each in agents], queue_ids=waiting)


@contextmanager
def _claim(actor: User, task: Task, attempt: int) -> Iterator[Claim]:
    # What our own workers carry out is nobody else's business, also when they know its attempt.
    is_outside = task.agent is not None and task.agent.kind == EXTERNAL
    if not is_outside or not access.is_owner_or_operator(actor, task, "change"):
        raise ClaimOver
    try:
        yield Claim(task_id=task.pk, attempt=attempt)
    except ClaimLost:
        raise ClaimOver from None
