"""Tasks that somebody has to look at before they may run: asking, answering, giving up.

A task that waits for an answer stands in the backlog. Its row is locked before its approval, as in every verb, so of a
cancel and an approval at the same moment the first one counts.
"""

import hashlib
import json
from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils.crypto import constant_time_compare

from accounts.models import User
from personalq.lib.errors import Conflict
from tasks import dispatch, events, trail, untrusted
from tasks.assessor import assessor
from tasks.claims import Claim
from tasks.clock import database_now
from tasks.lifecycle import endings, rows
from tasks.models import Agent, Approval, ApprovalState, Task, UntrustedPolicy
from tasks.states import Status

AGENT_REQUIRES: Final = "agent_requires"
SUSPICIOUS_TEXT: Final = "suspicious_text"
REASONS: Final = {
    AGENT_REQUIRES: "The agent's settings ask for approval of each of its tasks.",
    SUSPICIOUS_TEXT: "Its text from outside looks like an attempt to take the agent over.",
}
# What is there already is not refused: its text or the agent's policy has changed since it came in.
_LETS_NOTHING_PASS: Final = frozenset({UntrustedPolicy.HOLD, UntrustedPolicy.REFUSE})
EXPIRED: Final = "Nobody approved it in time."
LONG_TEXT: Final = 5_000
"""Characters. To look at more takes a good part of a second and up to several."""
NEEDS_APPROVAL: Final = "approval_needed"
"""Why an attempt was returned before its agent was given anything."""


class ApprovalPending(Conflict):
    """A task cannot go on because nobody has answered yet."""

    code = "approval_pending"
    title = "The task waits for approval."
    advice = "Approve or deny it in the list of approvals."


class ApprovalDecided(Conflict):
    """Somebody was faster."""

    code = "approval_decided"
    title = "This approval has been decided, or its task is over."
    advice = "Read the approval again."


class ApprovalTextChanged(Conflict):
    """The answer is about another text than the one that would be carried out."""

    code = "approval_text_changed"
    title = "The text is not the one that you have seen."
    advice = "Read the approval again and decide about its present text."


def why_needed(agent: Agent | None, suspicion: dict[str, Any] | None) -> str:
    """The reason for which a task of the agent has to be approved; empty when it need not be."""
    if agent is None:
        return ""
    if suspicion and suspicion.get("is_suspicious") and agent.untrusted_policy in _LETS_NOTHING_PASS:
        return SUSPICIOUS_TEXT
    return AGENT_REQUIRES if agent.needs_approval else ""


def suspicion_of(*, prompt: str = "", document: str = "") -> dict[str, Any]:
    """What is to be kept of an assessment of text from outside.

    A document in which even a plain request stands out is notable. That alone stops nothing: half of all mails ask
    their reader for something.
    """
    found = _assessed(f"{prompt}\n\n{document}".strip())
    if document and not found.is_suspicious:
        read = _assessed(document, is_document=True)
        shown = read if read.is_suspicious else found
    else:
        shown = found
    return {
        "score": round(shown.score, 3),
        "is_suspicious": found.is_suspicious,
        "is_notable": shown.is_suspicious,
        "reasons": [{"code": one.code, "sentence": one.sentence, "excerpt": one.excerpt} for one in shown.reasons],
    }


def _assessed(text: str, *, is_document: bool = False) -> untrusted.Assessment:
    """As `untrusted.assess`, long texts in a process beside this one, which slows nobody's requests down.

    The latest are remembered, so a text can be looked at before a transaction begins, which then need not wait for it.
    """
    if len(text) < LONG_TEXT:
        return untrusted.assess(text, is_document=is_document)
    # Whoever is within a transaction keeps a connection meanwhile, so they do not wait for others' texts.
    return assessor.assess(text, is_document=is_document, can_wait=not connection.in_atomic_block)


def digest_of(task: Task) -> str:
    """What an answer is bound to: everything of the task that its agent will be given."""
    agent = None if task.agent is None else str(task.agent.uuid)
    exact = json.dumps([agent, task.prompt, task.untrusted_text, task.input], sort_keys=True)
    return hashlib.sha256(exact.encode()).hexdigest()


def may_run(task: Task) -> bool:
    """Whether nobody has to be asked about the task as it is now, or somebody has said yes to exactly this."""
    if not why_needed(task.agent, task.suspicion):
        return True
    last = Approval.objects.filter(task=task).order_by("-id").first()
    if last is None or last.state != ApprovalState.APPROVED:
        return False
    return constant_time_compare(last.text_digest, digest_of(task))


def is_pending(task: Task) -> bool:
    return Approval.objects.filter(task=task, state=ApprovalState.PENDING).exists()


def ask(task: Task) -> Approval:
    """Ask about a locked task that stands in the backlog."""
    asked = new_approval(task)
    asked.save(force_insert=True)
    events.record(task, events.APPROVAL_REQUESTED, **request_facts(asked))
    note_asked(asked)
    return asked


def note_asked(approval: Approval) -> None:
    """Tell the audit trail that somebody has to answer."""
    trail.note("asked", approval, None, task=str(approval.task.uuid), reason=approval.reason)


def note_suspected(task: Task, actor: User | None) -> None:
    """Tell the audit trail of a task whose text looks like an attempt, whatever the agent's policy makes of it."""
    if task.agent is not None and task.suspicion is not None and task.suspicion.get("is_suspicious"):
        score = str(task.suspicion.get("score", ""))
        trail.note("suspected", task, actor, score=score, untrusted_policy=task.agent.untrusted_policy)


def new_approval(task: Task) -> Approval:
    """The question about a task that has an owner, not yet written."""
    return Approval(
        task=task,
        owner_id=task.owner_id,  # type: ignore[misc]  # whatever needs approval has an agent, and so an owner
        reason=why_needed(task.agent, task.suspicion),
        text_digest=digest_of(task),
        expires_at=database_now() + timedelta(seconds=settings.PERSONALQ_APPROVAL_SECONDS),
    )


def request_facts(approval: Approval) -> dict[str, Any]:
    """What the history tells of a question."""
    return {
        "approval": str(approval.uuid),
        "reason": approval.reason,
        "sentence": REASONS.get(approval.reason, ""),
        "expires_at": rows.as_text(approval.expires_at),
    }


def hold(task: Task) -> bool:
    """Put a locked ready task into the backlog and ask, if somebody has to look at it first; tells whether."""
    if may_run(task):
        return False
    rows.save(task, Status.BACKLOGGED)
    ask(task)
    return True


def assess_again(task: Task) -> dict[str, Any] | None:
    """What is found in the text of a claimed task: SQL may have changed it since the task operator handed it out."""
    agent = task.agent
    if task.handed_out_at is None or agent is None or agent.untrusted_policy == UntrustedPolicy.ALLOW:
        return task.suspicion
    return suspicion_of(prompt=task.prompt, document=task.untrusted_text)


@transaction.atomic
def hold_back(*, claim: Claim, suspicion: dict[str, Any] | None) -> bool:
    """Put a claimed task back and ask, if somebody has to look at it first; tells whether. Raises ClaimLost.

    The last gate: since the task came in its agent's settings or, by SQL, its row may have changed. `suspicion` is what
    stands in its text now.
    """
    task = rows.lock_claimed(claim)
    if suspicion != task.suspicion:
        task.suspicion = suspicion
        task.save(update_fields=["suspicion"])
        note_suspected(task, None)
    if may_run(task):
        return False
    endings.give_back_row(task, NEEDS_APPROVAL)
    return hold(task)


def ask_anew(task: Task, *, actor: User) -> None:
    """After the text of a locked task has changed: earlier questions are over, and a new one is asked if need be."""
    pending = Approval.objects.filter(task=task, state=ApprovalState.PENDING).select_related("owner").first()
    if pending is not None:
        trail.note("text_changed", pending, actor, task=str(task.uuid))
    rows.withdraw_approvals(task)
    if task.state == Status.READY:
        hold(task)
    elif pending is not None and not may_run(task):
        ask(task)


@transaction.atomic
def approve(*, actor: User, approval: Approval, text_digest: str, comment: str = "") -> Task:
    """Let the task run. The same answer of the same person again changes nothing.

    Raises ApprovalTextChanged when the digest is not the present text's, or ApprovalDecided.
    """
    task, current = _lock(approval)
    if _is_repeated(current, ApprovalState.APPROVED, actor) and constant_time_compare(text_digest, current.text_digest):
        return task
    _expect_open(task, current)
    if not constant_time_compare(text_digest, digest_of(task)):
        raise ApprovalTextChanged
    current.text_digest = text_digest
    _decide(task, current, ApprovalState.APPROVED, actor, comment)
    events.record(task, events.APPROVED, actor=actor, **_said(current))
    task.start_by_at = rows.latest_start(task.agent, task.not_before_at) or task.start_by_at
    rows.save(task, Status.READY)
    dispatch.nudge_after_commit(task.queue_id)
    return task


@transaction.atomic
def deny(*, actor: User, approval: Approval, comment: str = "") -> Task:
    """Cancel the task. The same answer of the same person again changes nothing. Raises ApprovalDecided."""
    task, current = _lock(approval)
    if _is_repeated(current, ApprovalState.DENIED, actor):
        return task
    _expect_open(task, current)
    _decide(task, current, ApprovalState.DENIED, actor, comment)
    events.record(task, events.DENIED, actor=actor, **_said(current))
    endings.cancel_row(task, actor=actor, reason=comment or "Approval was denied.")
    return task


@transaction.atomic
def expire_approval(*, task_id: int) -> Task | None:
    """Cancel a task about which nobody has answered in time; None when somebody has."""
    late = Approval.objects.filter(task_id=task_id, state=ApprovalState.PENDING, expires_at__lt=Now())
    approval = late.select_related("task").first()
    if approval is None:
        return None
    task, current = _lock(approval)
    if current.state != ApprovalState.PENDING or task.state != Status.BACKLOGGED:
        return None
    _decide(task, current, ApprovalState.EXPIRED, None, "")
    events.record(task, events.DENIED, reason="expired", **_said(current))
    endings.cancel_row(task, actor=None, reason=EXPIRED)
    return task


def _lock(approval: Approval) -> tuple[Task, Approval]:
    task = rows.lock(approval.task)
    return task, Approval.objects.select_for_update().get(pk=approval.pk)


def _is_repeated(approval: Approval, answer: ApprovalState, actor: User) -> bool:
    return approval.state == answer and approval.decided_by_id == actor.pk


def _expect_open(task: Task, approval: Approval) -> None:
    if approval.state == ApprovalState.WITHDRAWN and task.state == Status.BACKLOGGED:
        raise ApprovalTextChanged(
            "The text was changed meanwhile. The list of approvals holds a new question about it."
        )
    if approval.state != ApprovalState.PENDING or task.state != Status.BACKLOGGED:
        raise ApprovalDecided
    if approval.expires_at <= database_now():
        raise ApprovalDecided("Nobody answered in time, which denies it. Retry the task, then it is asked anew.")


def _decide(task: Task, approval: Approval, state: ApprovalState, actor: User | None, comment: str) -> None:
    approval.state, approval.decided_by, approval.comment = state, actor, comment
    approval.decided_at = database_now()
    approval.save(update_fields=["state", "decided_by", "comment", "decided_at", "text_digest"])
    trail.note(state.value, approval, actor, task=str(task.uuid))


def _said(approval: Approval) -> dict[str, Any]:
    return {"approval": str(approval.uuid), **({"comment": approval.comment} if approval.comment else {})}
