"""How busy agents are."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Count

from accounts.models import User
from tasks import access
from tasks.models import Agent
from tasks.runners import RUNNERS
from tasks.states import Status


@dataclass(frozen=True)
class AgentLoad:
    """An agent with what it does now and what waits for it."""

    agent: Agent
    kind: str
    running: int
    waiting: int

    @property
    def is_full(self) -> bool:
        return self.running >= self.agent.concurrency_limit


def with_loads(user: User, agents: Iterable[Agent]) -> list[AgentLoad]:
    """The agents, in their order, each with its load."""
    shown = list(agents)
    rows = access.tasks_of(user).filter(agent__in=shown, status__in=[Status.READY, Status.RUNNING]).order_by()
    counted = rows.values_list("agent_id", "status").annotate(amount=Count("pk"))
    found = {(agent_id, status): amount for agent_id, status, amount in counted}
    return [
        AgentLoad(
            agent=agent,
            kind=RUNNERS[agent.kind].label if agent.kind in RUNNERS else agent.kind,
            running=found.get((agent.pk, Status.RUNNING), 0),
            waiting=found.get((agent.pk, Status.READY), 0),
        )
        for agent in shown
    ]
