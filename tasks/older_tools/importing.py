"""Taking over agents from a running older service, so that both may be there for a while.

Nothing is sent by it: what ran once is not run again, and schedules are paused unless that is not wanted.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db import transaction

from accounts.models import User
from personalq.lib.errors import AppError, InvalidInput
from personalq.lib.problems import sentence_of
from personalq.lib.translation import app_error_from
from tasks import access, schedules
from tasks.models import OlderKind
from tasks.older_tools.belongings import older_agents_of
from tasks.older_tools.forms import AgentForm, read
from tasks.older_tools.making import AgentWish, make_agent
from tasks.older_tools.words import in_older_words
from tasks.runners.web.config import METHODS_WITH_BODY

OPERATOR_TARGET: Final = "task-operator:"
_MEMBERS: Final = ("name", "targetUrl", "method", "headers", "body", "schedule", "timeout", "queue")
_SHOWN_NAME: Final = 100


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How agents are taken over."""

    is_paused: bool = True
    """Whether schedules wait until somebody resumes them."""
    zone: str = "UTC"
    """In which their cron expressions are read: the older service used that of its machine."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one agent."""

    name: str
    outcome: str
    """imported, unchanged, left_out or refused."""
    facts: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "outcome": self.outcome, **self.facts}


def import_agents(*, actor: User, found: Iterable[Any], manner: Manner) -> list[Outcome]:
    """Make the agents that the actor does not have yet. Each is made whole or not at all, whatever the others do.

    Args:
        actor: Whose they become.
        found: The objects of the older `GET /agents`.
        manner: Whether schedules are paused, and in which time zone they are read.
    """
    return [_import(actor, each, manner) for each in found]


def _import(actor: User, found: Any, manner: Manner) -> Outcome:
    name = str(found.get("name", ""))[:_SHOWN_NAME] if isinstance(found, Mapping) else ""
    try:
        return _import_one(actor, found, name, manner)
    except Exception as raised:
        error = app_error_from(raised)
        if error is None or error.status >= AppError.status:
            raise
        facts = {"reason": sentence_of(error), "code": error.code}
        return Outcome(name=name, outcome="refused", facts=facts)


def _import_one(actor: User, found: Any, name: str, manner: Manner) -> Outcome:
    if not isinstance(found, Mapping):
        raise InvalidInput("Each agent has to be an object.")
    if str(found.get("targetUrl", "")).startswith(OPERATOR_TARGET):
        reason = "The task operator is a switch here: manage.py enable_task_operator turns it on."
        return Outcome(name=name, outcome="left_out", facts={"reason": reason})
    with in_older_words(), transaction.atomic():
        wish = AgentWish.of(read(AgentForm, _wanted(found)))
        facts: dict[str, Any] = {"kind": "one_time" if wish.is_one_time else "recurring"}
        if older_agents_of(actor, OlderKind.AGENT).filter(agent__name=wish.name).exists():
            return Outcome(name=name, outcome="unchanged", facts={**facts, "reason": "It is here already."})
        make_agent(actor, wish, is_run=False)
        if not wish.is_one_time:
            facts |= _settle_schedule(actor, wish.name, manner, is_active=found.get("isActive") is not False)
    return Outcome(name=name, outcome="imported", facts=facts)


def _wanted(found: Mapping[str, Any]) -> dict[str, Any]:
    """The body with which the older service would be asked for it. What ran once has no schedule."""
    wanted = {name: found[name] for name in _MEMBERS if found.get(name) not in (None, "")}
    if wanted.get("method", "POST") not in METHODS_WITH_BODY:
        # The older service took one and did not send it.
        wanted.pop("body", None)
    return wanted if "schedule" in wanted else {**wanted, "oneTime": True}


def _settle_schedule(actor: User, name: str, manner: Manner, *, is_active: bool) -> dict[str, Any]:
    """Before anybody can see it: its zone, and whether it is paused."""
    schedule = access.schedule_named(actor, name)
    schedule = schedules.change(actor=actor, schedule=schedule, zone=manner.zone)
    if manner.is_paused or not is_active:
        schedule = schedules.pause(actor=actor, schedule=schedule)
    return {"is_paused": schedule.is_paused}
