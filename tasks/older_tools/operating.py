"""The task operator as the older service had it: a job that carried out the tasks of the shared table."""

from typing import Any, Final

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from personalq.lib.errors import NotFound
from tasks import access, agents, task_operator
from tasks.models import Agent, Queue, SystemSetting
from tasks.older_tools import coding_runner
from tasks.older_tools.belongings import queue_for
from tasks.older_tools.forms import USUAL_TIMEOUT_MILLISECONDS, OperatorForm, read
from tasks.older_tools.words import in_older_words, job_of_run, moment
from tasks.task_operator import AGENT_NAME, NoDefaultAgent, TaskOperator

USUAL_QUEUE: Final = "task-operator"
"""What the older tools name when nobody chose one. It stands for the agent's own queue unless there is one."""


def enable_task_operator(*, actor: User, queue: str | None = None) -> dict[str, Any]:
    """Turn the task operator on, for operators; its tasks go to the queue of this name, made if there is none.

    Raises PermissionDenied, InvalidInput, and NoDefaultAgent when nobody is there to carry tasks out.
    """
    access.require_task_operator(actor)
    with in_older_words():
        name = read(OperatorForm, {"queue": queue}).get("queue", USUAL_QUEUE)
        with transaction.atomic():
            known = task_operator.turn_on(actor=actor, agent=_agent(actor), queue=_queue(actor, name))
    at = known.at or timezone.now()
    return {
        "success": True,
        "message": "Task operator agent enqueued successfully",
        "agent": {"name": AGENT_NAME, "jobId": job_of_run(AGENT_NAME, at), "queue": _queue_of(known)},
    }


def disable_task_operator(*, actor: User) -> dict[str, Any]:
    """Turn it off, for operators. Raises PermissionDenied."""
    task_operator.turn_off(actor=actor)
    return {
        "success": True,
        "message": "Task operator disabled successfully. It will stop re-enqueueing after current jobs complete.",
    }


def check_lock(*, actor: User) -> dict[str, Any]:
    """Whether a task holds the task operator, for operators. Raises PermissionDenied."""
    access.require_task_operator(actor)
    is_locked = task_operator.read().holder is not None
    return {
        "success": True,
        "isLocked": is_locked,
        "message": f"Task operator lock is {'held' if is_locked else 'not held'}",
    }


def clear_lock(*, actor: User) -> dict[str, Any]:
    """Free it from the task that holds it, for operators. Raises PermissionDenied and Conflict."""
    is_cleared = task_operator.clear(actor=actor)
    done = "cleared successfully" if is_cleared else "was not present"
    return {"success": True, "message": f"Task operator lock {done}", "lockCleared": is_cleared}


def as_agent(actor: User) -> dict[str, Any] | None:
    """The job of the task operator as `GET /agents/:name` showed it; None for others than operators and while off."""
    if not access.is_operator_for(actor, SystemSetting, "change"):
        return None
    known = task_operator.read()
    if not known.is_on:
        return None
    holder = known.holder
    started = {"lastRun": moment(holder.started_at)} if holder is not None and holder.started_at is not None else {}
    queue = _queue_of(known)
    return {
        "name": AGENT_NAME,
        "isActive": True,
        **started,
        "jobId": job_of_run(AGENT_NAME, known.at or timezone.now()),
        "queue": queue,
        "targetUrl": "task-operator://internal",
        "method": "POST",
        "headers": {},
        "body": {"type": "task_operator", "agentName": AGENT_NAME, "queue": queue},
        "timeout": USUAL_TIMEOUT_MILLISECONDS,
    }


def _agent(actor: User) -> Agent | None:
    """The agent to name; None when the task operator knows one already, or has to say that there is none."""
    known = task_operator.read().agent
    if (known is not None and known.deleted_at is None) or access.agents_of(actor).filter(name=AGENT_NAME).exists():
        return None
    runner = coding_runner.named(actor)
    if runner is not None or not settings.PERSONALQ_CURSOR_RUNNER_URL:
        return runner
    config = coding_runner.config_with(None, {})
    return agents.create(actor=actor, name=AGENT_NAME, kind=coding_runner.KIND, config=config)


def _queue(actor: User, name: str) -> Queue | None:
    if name != USUAL_QUEUE:
        return queue_for(actor, name)[0]
    try:
        return access.queue_named(actor, name)
    except NotFound:
        return None


def _queue_of(known: TaskOperator) -> str:
    if known.agent is None:
        raise NoDefaultAgent
    return (known.queue or known.agent.queue).name
