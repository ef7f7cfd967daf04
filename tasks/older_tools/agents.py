"""Agents as the older service had them: a request to an address, once or again and again."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from accounts.models import User
from personalq.lib.errors import NotFound
from tasks.models import OlderAgent, OlderKind
from tasks.older_tools import making, operating, status, unmaking
from tasks.older_tools.belongings import drop_queue, hold_names, older_agents_of
from tasks.older_tools.forms import AgentForm, read
from tasks.older_tools.words import expect_storable, in_older_words, no_such
from tasks.task_operator import AGENT_NAME


def create_agent(*, actor: User, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Make an agent, or change the one of that name, and run it: now, or by its schedule. All of it or nothing.

    Args:
        actor: Whose agent it becomes.
        wanted: The older body: name, targetUrl, method, headers, body, schedule or oneTime, timeout (milliseconds),
            queue.

    Raises:
        InvalidInput: It names the wrong members.
        Conflict: Another agent or schedule has the name, or a quota is reached.
    """
    with in_older_words():
        asked = making.AgentWish.of(read(AgentForm, wanted))
        with transaction.atomic():
            made = making.make_agent(actor, asked)
    drop_queue(actor, made.left_queue)
    return {
        "success": True,
        "message": f'Agent "{asked.name}" created successfully',
        "agent": {
            "name": asked.name,
            "jobId": made.job_id,
            "targetUrl": asked.target_url,
            "method": asked.method,
            "oneTime": asked.is_one_time,
            **({} if asked.is_one_time else {"schedule": asked.schedule}),
            "queue": made.queue.name,
        },
    }


def list_agents(*, actor: User) -> dict[str, Any]:
    """All that the older tools have made for the actor, in the order in which they were made."""
    rows = status.with_last_run(older_agents_of(actor, OlderKind.AGENT)).order_by("pk")
    return {"agents": [status.of_agent(row) for row in rows]}


def agent_status(*, actor: User, name: str) -> dict[str, Any]:
    """One agent. Raises NotFound, also for one that other means have made.

    The task operator counts as one while it is on, for operators who have no agent of that name.
    """
    try:
        return status.of_agent(_find(actor, name))
    except NotFound:
        known = operating.as_agent(actor) if name == AGENT_NAME else None
        if known is None:
            raise
        return known


def delete_agent(*, actor: User, name: str) -> dict[str, Any]:
    """Delete an agent with its schedule, its automatic credential and its queue if that was made for it.

    Its unfinished tasks are cancelled. Raises NotFound, or Conflict when something else uses the agent.
    """
    with transaction.atomic():
        hold_names(actor)
        older = _find(actor, name)
        unmaking.delete_with_belongings(actor, older)
    drop_queue(actor, older.made_queue)
    return {"success": True, "message": f'Agent "{name}" deleted successfully'}


def _find(actor: User, name: str) -> OlderAgent:
    expect_storable("Agent", name)
    found = status.with_last_run(older_agents_of(actor, OlderKind.AGENT)).filter(agent__name=name).first()
    if found is None:
        raise no_such("Agent", name)
    return found
