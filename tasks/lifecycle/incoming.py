"""How tasks come in."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from accounts.models import User
from personalq.lib import database_guards
from personalq.lib.current_request import current_request_id
from personalq.lib.errors import AppError, Conflict, InvalidInput
from tasks import dispatch, events, locks, quotas, trail
from tasks.lifecycle import approvals, keys, rows
from tasks.models import Agent, Approval, ConcurrencyPolicy, Conversation, Queue, Schedule, Task, UntrustedPolicy
from tasks.models.task import Source
from tasks.spending import budgets
from tasks.states import Status


class UntrustedTextRefused(AppError):  # noqa: N818 - named like the others
    """The agent's policy lets no text in that looks like an attempt to take it over."""

    code = "untrusted_text_refused"
    status = 422
    title = "The text from outside looks like an attempt to take the agent over."
    advice = "Leave the suspicious part out, or set the agent's policy to hold, which asks you first."


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A task that is to come in. Without a queue it goes to its agent's."""

    agent: Agent
    prompt: str
    queue: Queue | None = None
    title: str = ""
    order: int = 0
    input: Any = None
    not_before_at: datetime | None = None
    start_by_at: datetime | None = None
    """A task that still waits at this time fails; without it the agent's `waiting_timeout_seconds` decides."""
    is_backlogged: bool = False
    concurrency_key: str = ""
    concurrency_policy: str = ""
    """What to do about others with the same key; without it the task waits for them."""
    conversation: Conversation | None = None
    """The thread that it continues; without a key of its own it waits for the earlier ones."""
    untrusted_text: str = ""
    """Text from outside that the prompt is about; the agent gets it as data."""
    trusted: bool = True
    """Whether the prompt itself is its owner's own word. If not, the agent gets that as data, too."""
    origin: str = ""
    """Where the text came from, in words for people."""
    schedule: Schedule | None = None
    """The schedule that brings it in."""
    schedule_due_at: datetime | None = None
    """When that schedule was due for it."""

    @property
    def key(self) -> str:
        """The concurrency key that holds for it."""
        if self.concurrency_key or self.conversation is None:
            return self.concurrency_key
        return f"conversation {self.conversation.uuid}"


def submit(*, actor: User | None, source: str = Source.API, **wanted: Any) -> Task:
    """Write one new task; see `Submission` for what it takes and `submit_many` for what it raises."""
    return submit_many(actor=actor, submissions=[Submission(**wanted)], source=source)[0]


def submit_many(*, actor: User | None, submissions: Sequence[Submission], source: str = Source.API) -> list[Task]:
    """Write new tasks, all or none; each is ready to run at once unless backlogged, not yet due or to be approved.

    Without an actor nobody asked for them but the clock.

    Raises Conflict when an agent was deleted meanwhile, ConcurrencyKeyTaken when a task had to give way,
    BudgetExhausted, QuotaReached, UntrustedTextRefused, and InvalidInput when tasks of a batch would end each other.
    """
    # Before the first query: a long text takes a while, and nothing is locked meanwhile.
    database_guards.let_go()
    suspicions = [
        assess(one.agent, actor=actor, prompt=one.prompt, document=one.untrusted_text, trusted=one.trusted)
        for one in submissions
    ]
    return _write(actor, submissions, suspicions, source)


@transaction.atomic
def _write(
    actor: User | None, submissions: Sequence[Submission], suspicions: Sequence[dict[str, Any] | None], source: str
) -> list[Task]:
    budgets.refuse_when_exhausted([one.agent for one in submissions])
    _make_way(actor, submissions)
    _find_room(submissions)
    _keep_from_deletion({one.agent.pk for one in submissions})
    tasks = Task.objects.bulk_create(
        [_task_of(one, source, suspicion) for one, suspicion in zip(submissions, suspicions, strict=True)]
    )
    told = {task.pk: _created(one, task) for one, task in zip(submissions, tasks, strict=True)}
    events.record_each(tasks, events.CREATED, actor=actor, data_of=lambda task: told[task.pk])
    for task in tasks:
        approvals.note_suspected(task, actor)
    _ask_for_approval([task for one, task in zip(submissions, tasks, strict=True) if not one.is_backlogged])
    for queue_id in sorted({task.queue_id for task in tasks if task.queue_id is not None}):
        dispatch.nudge_after_commit(queue_id)
    return tasks


def _make_way(actor: User | None, submissions: Sequence[Submission]) -> None:
    keyed = [one for one in submissions if one.key]
    _refuse_rivals(submissions)
    # All keys first and in one order, so that two batches cannot wait for each other.
    for owner_id, key in sorted({(one.agent.owner_id, one.key) for one in keyed}):
        locks.hold_concurrency_key(owner_id=owner_id, key=key)
    for one in keyed:
        keys.make_way(actor=actor, owner_id=one.agent.owner_id, key=one.key, policy=_policy(one))


def _refuse_rivals(submissions: Sequence[Submission]) -> None:
    policies: dict[tuple[int, str], set[str]] = {}
    for place, one in enumerate(submissions):
        if not one.key:
            continue
        earlier = policies.setdefault((one.agent.owner_id, one.key), set())
        if earlier and earlier | {_policy(one)} != {ConcurrencyPolicy.SINGLETON}:
            raise InvalidInput.for_field(
                f"tasks[{place}].concurrency_key",
                "repeated",
                "Only tasks with the policy singleton may share a key in one batch.",
            )
        earlier.add(_policy(one))


def _find_room(submissions: Sequence[Submission]) -> None:
    for owner_id, wanted in Counter(one.agent.owner_id for one in submissions).items():
        waiting = Task.objects.filter(owner_id=owner_id, status__in=(Status.READY, Status.BACKLOGGED))
        quotas.take_places_in_line(owner_id=owner_id, waiting=waiting, wanted=wanted)


def _keep_from_deletion(agent_ids: set[int]) -> None:
    if not locks.keep_agents(agent_ids):
        raise Conflict("The agent was deleted at this moment. Choose another agent.")


def assess(
    agent: Agent, *, actor: User | None = None, prompt: str, document: str, trusted: bool
) -> dict[str, Any] | None:
    """What is found in text from outside; None when there is none, or when the agent's policy asks nobody.

    Raises UntrustedTextRefused, of which the audit trail is told.
    """
    seen = look_at(agent, prompt=prompt, untrusted_text=document, trusted=trusted)
    if seen.is_refused:
        trail.note_text_refused(agent, actor, score=str((seen.suspicion or {}).get("score", "")))
        raise UntrustedTextRefused
    return seen.suspicion


@dataclass(frozen=True, kw_only=True)
class Look:
    """What would become of a task if it came in now."""

    suspicion: dict[str, Any] | None
    is_refused: bool
    held_because: str
    """A key of `APPROVAL_REASONS`; empty when nobody has to be asked."""


def look_at(agent: Agent, *, prompt: str, untrusted_text: str = "", trusted: bool = True) -> Look:
    """Look at the text of a task without bringing it in."""
    found = None
    if agent.untrusted_policy != UntrustedPolicy.ALLOW and not (trusted and not untrusted_text):
        found = approvals.suspicion_of(prompt="" if trusted else prompt, document=untrusted_text)
    is_suspicious = found is not None and bool(found["is_suspicious"])
    is_refused = is_suspicious and agent.untrusted_policy == UntrustedPolicy.REFUSE
    return Look(suspicion=found, is_refused=is_refused, held_because=approvals.why_needed(agent, found))


def _ask_for_approval(tasks: Sequence[Task]) -> None:
    asked = {task.pk: approvals.new_approval(task) for task in tasks if task.state == Status.BACKLOGGED}
    if asked:
        Approval.objects.bulk_create(asked.values())
        held = [task for task in tasks if task.pk in asked]
        events.record_each(
            held, events.APPROVAL_REQUESTED, data_of=lambda task: approvals.request_facts(asked[task.pk])
        )
        for approval in asked.values():
            approvals.note_asked(approval)


def _task_of(one: Submission, source: str, suspicion: dict[str, Any] | None) -> Task:
    has_to_wait = one.is_backlogged or bool(approvals.why_needed(one.agent, suspicion))
    status = Status.BACKLOGGED if has_to_wait else Status.READY
    start_by_at = one.start_by_at
    if start_by_at is None and not has_to_wait:
        start_by_at = rows.latest_start(one.agent, one.not_before_at)
    return Task(
        owner_id=one.agent.owner_id,
        agent=one.agent,
        queue_id=one.queue.pk if one.queue else one.agent.queue_id,
        prompt=one.prompt,
        title=one.title,
        order=one.order,
        input=one.input,
        source=source,
        trusted=one.trusted,
        untrusted_text=one.untrusted_text,
        origin=one.origin,
        suspicion=suspicion,
        conversation=one.conversation,
        schedule=one.schedule,
        max_attempts=one.agent.max_attempts,
        not_before_at=one.not_before_at,
        start_by_at=start_by_at,
        concurrency_key=one.key,
        concurrency_policy=_policy(one),
        request_id=current_request_id(),
        status=status,
        recorded_status=status,
    )


def _policy(one: Submission) -> str:
    if not one.key:
        return ""
    return one.concurrency_policy or ConcurrencyPolicy.SINGLETON


def _created(one: Submission, task: Task) -> dict[str, Any]:
    told = {"status": task.state.word, "title": task.title}
    if one.schedule is None or one.schedule_due_at is None:
        return told
    return {**told, "schedule": str(one.schedule.uuid), "due_at": rows.as_text(one.schedule_due_at)}
