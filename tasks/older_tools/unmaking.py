"""Deleting what the older tools have made."""

from typing import Final

from accounts.models import User
from personalq.lib.errors import Conflict, IllegalTransition
from tasks import agents, schedules, trail
from tasks.lifecycle import asked
from tasks.models import Agent, OlderAgent
from tasks.older_tools.belongings import existing_schedule, forget_secrets
from tasks.states import UNFINISHED

REASON: Final = "Its agent was deleted."
CANCELLED_AT_ONCE: Final = 1_000


class TooManyTasks(Conflict):
    """The agent has more unfinished tasks than one request may cancel."""

    code = "agent_in_use"
    title = "The agent has many unfinished tasks."
    advice = "Cancel them by POST /api/v1/bulk-actions, then delete the agent."


def delete_with_belongings(actor: User, older: OlderAgent) -> None:
    """Delete schedule, unfinished tasks, agent and automatic credential, within the caller's transaction.

    The schedule goes first: nothing comes in by it afterwards. Raises AgentInUse when a task came in at this moment.
    """
    schedule = existing_schedule(older)
    if schedule is not None:
        schedules.delete(actor=actor, schedule=schedule)
    if older.has_own_agent:
        _cancel_tasks(actor, older.agent)
        agents.delete(actor=actor, agent=older.agent)
        forget_secrets(actor, older)
    older.delete()


def _cancel_tasks(actor: User, agent: Agent) -> None:
    unfinished = list(agent.tasks.filter(status__in=UNFINISHED).order_by("pk")[: CANCELLED_AT_ONCE + 1])
    if len(unfinished) > CANCELLED_AT_ONCE:
        raise TooManyTasks
    cancelled = 0
    for task in unfinished:
        try:
            asked.cancel(actor=actor, task=task, reason=REASON)
        except IllegalTransition:
            continue  # it has ended by itself meanwhile
        cancelled += 1
    if cancelled:
        trail.note_many("cancel", agent, actor, owner=agent.owner, changed=cancelled)
