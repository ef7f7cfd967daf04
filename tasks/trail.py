"""What people do, in the audit trail. Called within the transaction of the deed, so both are there or neither."""

from datetime import timedelta
from typing import Any, Final

from accounts import audit
from accounts.audit.seldom import record_seldom
from accounts.models import User
from accounts.models.audit_event import Outcome
from accounts.refusals import noun_of

NOTED_EVERY: Final = timedelta(minutes=1)
"""How often the same refusal of the same task is worth a row."""
TEXT_REFUSED_EVERY: Final = timedelta(hours=1)
"""Strangers write what comes in by doors, and may write a lot of it."""


def note(deed: str, thing: Any, actor: User | None, **facts: Any) -> None:
    """Note that somebody did something with an object that has an owner and a uuid."""
    noun = noun_of(thing)
    audit.record(f"{noun}.{deed}", Outcome.DONE, actor=actor, owner=thing.owner, about=(noun, thing.uuid), **facts)


def note_many(deed: str, by: Any, actor: User | None, *, owner: User | None, **counts: Any) -> None:
    """One row for what an object, such as a bulk action, did with many tasks."""
    audit.record(f"task.{deed}", Outcome.DONE, actor=actor, owner=owner, about=(noun_of(by), by.uuid), **counts)


def note_on_others(deed: str, thing: Any, actor: User, **facts: Any) -> None:
    """As `note`, for what owners do every day with their own: only if the actor is not the owner."""
    if thing.owner_id != actor.pk:
        note(deed, thing, actor, **facts)


def note_conflict(deed: str, thing: Any, actor: User | None, **facts: Any) -> None:
    """Note what came too late. It is written although its transaction is rolled back, at most once a minute."""
    noun = noun_of(thing)
    record_seldom(
        f"{noun}.{deed}",
        Outcome.CONFLICT,
        within=NOTED_EVERY,
        actor=actor,
        owner=thing.owner,
        about=(noun, thing.uuid),
        **facts,
    )


def note_text_refused(agent: Any, actor: User | None, **facts: Any) -> None:
    """Note that an agent's policy refused a text. It is written although no task comes of it, at most once an hour."""
    record_seldom(
        "agent.text_refused",
        Outcome.DENIED,
        within=TEXT_REFUSED_EVERY,
        actor=actor,
        owner=agent.owner,
        about=("agent", agent.uuid),
        **facts,
    )


def note_switch(noun: str, deed: str, actor: User, **facts: Any) -> None:
    """Note an operator's act that concerns no object of somebody."""
    audit.record(f"{noun}.{deed}", Outcome.DONE, actor=actor, **facts)


def note_pruned(owner: User | None, **facts: Any) -> None:
    """One row for what one run removed of an owner's tasks because its time was over."""
    audit.record("tasks.pruned", Outcome.DONE, owner=owner, **facts)


def note_command(kind: str, actor: User | None = None, **facts: Any) -> None:
    """Note what somebody did on the machine itself, where often nobody knows who it was."""
    audit.record(kind, Outcome.DONE, actor=actor, by="command", **facts)
