"""What comes of a request that was let in by a door with a template: one task, once."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db import transaction

from accounts import audit
from accounts.models.audit_event import Outcome as AuditOutcome
from personalq.lib import database_guards
from personalq.lib.errors import AppError
from tasks import lifecycle
from tasks.models import Task
from tasks.models.task import ORIGIN_LENGTH, TITLE_LENGTH, Source
from webhooks.doors import replay, templates, transcripts
from webhooks.models import Door, DoorKind, Outcome

NOTHING_TO_SAY: Final = "nothing_to_say"
EVENT_LENGTH: Final = 80
_UNPRINTED: Final = re.compile(r"[\x00-\x20\x7f-\x9f]+")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The task that a payload asks for."""

    title: str
    prompt: str
    untrusted_text: str
    is_trusted: bool
    origin: str
    missing: list[str]
    is_cut: bool

    @property
    def says_nothing(self) -> bool:
        """Whether the payload has put nothing into the template."""
        return not (self.untrusted_text if self.is_trusted else self.prompt).strip()


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What became of a request."""

    task: Task | None
    is_duplicate: bool = False

    @property
    def answer(self) -> dict[str, Any]:
        """What its sender is told."""
        told = {"received": True, "task": str(self.task.uuid) if self.task else None}
        return {**told, "duplicate": True} if self.is_duplicate else told


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What a payload would come to if it came in now."""

    wanted: Wanted
    outcome: str
    """`ignored`, `refused`, `held` or `ready`."""
    reason: str = ""
    suspicion: Mapping[str, Any] | None = None


def take(*, door: Door, payload: Mapping[str, Any], key: str, digest: str, event: str, ignored: str = "") -> Taken:
    """Bring in the task that a payload asks for, unless this door has seen the key or the digest before.

    Args:
        door: The door that let the request in.
        payload: Its body.
        key: The sender's id, or the digest where there is none.
        digest: Of what was signed, where that does not cover the id; else empty.
        event: What happened, in the sender's word.
        ignored: A code, when nothing is asked for.

    Raises UntrustedTextRefused, which counts as seen, and whatever else `lifecycle.submit` raises, which does not: such
    a refusal may pass, and its sender may try again.
    """
    wanted = wanted_of(door, payload, event)
    code = ignored or (NOTHING_TO_SAY if wanted.says_nothing else "")
    if not code:
        _look_ahead(door, wanted)
    try:
        with transaction.atomic():
            if not replay.first_time(door=door, key=key, digest=digest):
                before = replay.seen(door=door, key=key, digest=digest)
                return Taken(task=before.task if before else None, is_duplicate=True)
            taken, refusal = _act(door, wanted, key, code)
    except AppError as error:
        _note_refusal(door, error)
        raise
    if refusal is not None:
        _note_refusal(door, refusal)
        raise refusal
    return taken


def expect(*, door: Door, payload: Mapping[str, Any], event: str = "", ignored: str = "") -> Expected:
    """What would come of a payload. Nothing is written."""
    wanted = wanted_of(door, payload, event)
    if ignored or wanted.says_nothing:
        return Expected(wanted=wanted, outcome="ignored", reason=ignored or NOTHING_TO_SAY)
    agent = door.agent
    if agent is None:
        return Expected(wanted=wanted, outcome="ignored")
    found = lifecycle.look_at(
        agent, prompt=wanted.prompt, untrusted_text=wanted.untrusted_text, trusted=wanted.is_trusted
    )
    if found.is_refused:
        code = lifecycle.UntrustedTextRefused.code
        return Expected(wanted=wanted, outcome="refused", reason=code, suspicion=found.suspicion)
    outcome = "held" if found.held_because else "ready"
    return Expected(wanted=wanted, outcome=outcome, reason=found.held_because, suspicion=found.suspicion)


def wanted_of(door: Door, payload: Mapping[str, Any], event: str) -> Wanted:
    """The task that the door makes of a payload.

    With an instruction that is the prompt, its owner's own words, and the payload is what it is about. Without one
    the payload is the prompt, and no more trusted for that.
    """
    is_call = door.kind == DoorKind.ELEVENLABS
    template = door.template or (transcripts.TEMPLATE if is_call else "")
    values = {"event": event, **(transcripts.with_conversation(payload) if is_call else payload)}
    body = templates.render(template, values if template else payload)
    title = templates.render(door.title_template, values) if door.title_template else None
    missing = [*body.missing, *(name for name in (title.missing if title else []) if name not in body.missing)]
    return Wanted(
        title=_one_line(title.text if title else "", TITLE_LENGTH),
        prompt=door.instruction or body.text,
        untrusted_text=body.text if door.instruction else "",
        is_trusted=bool(door.instruction),
        origin=origin_of(door, event),
        missing=missing,
        is_cut=body.is_cut,
    )


def origin_of(door: Door, event: str) -> str:
    """Where its text came from, in words for people."""
    happened = f", {_one_line(event, EVENT_LENGTH)}" if event else ""
    return f"{DoorKind(door.kind).label}, door {door.name}{happened}"[:ORIGIN_LENGTH]


def _look_ahead(door: Door, wanted: Wanted) -> None:
    """Assess the text without holding a connection or a lock; what brings it in finds that remembered.

    Strangers write what comes in, and a few long texts at once would keep all connections from everybody else.
    """
    database_guards.let_go()
    if door.agent is not None:
        lifecycle.look_at(
            door.agent, prompt=wanted.prompt, untrusted_text=wanted.untrusted_text, trusted=wanted.is_trusted
        )


def _act(door: Door, wanted: Wanted, key: str, code: str) -> tuple[Taken, AppError | None]:
    if code:
        replay.remember(door=door, key=key, outcome=Outcome.IGNORED, code=code)
        return Taken(task=None), None
    try:
        with transaction.atomic():
            task = _submit(door, wanted)
    except lifecycle.UntrustedTextRefused as refusal:
        replay.remember(door=door, key=key, outcome=Outcome.REFUSED, code=refusal.code)
        return Taken(task=None), refusal
    replay.remember(door=door, key=key, outcome=Outcome.TASK, task=task)
    return Taken(task=task), None


def _submit(door: Door, wanted: Wanted) -> Task:
    if door.agent is None:
        raise RuntimeError("A door with a template has an agent.")
    return lifecycle.submit(
        actor=None,
        source=Source.WEBHOOK,
        agent=door.agent,
        queue=door.queue,
        prompt=wanted.prompt,
        title=wanted.title,
        untrusted_text=wanted.untrusted_text,
        trusted=wanted.is_trusted,
        origin=wanted.origin,
    )


def _note_refusal(door: Door, error: AppError) -> None:
    """Tell the owner, who does not see what their sender is answered."""
    audit.record("door.task_refused", AuditOutcome.FAILED, owner=door.owner, about=("door", door.uuid), code=error.code)


def _one_line(text: str, length: int) -> str:
    return _UNPRINTED.sub(" ", text).strip()[:length]
