"""What people ask for, with its row in the audit trail: what API, pages, MCP, admin, Telegram and commands call.

A cancel has a row whoever asked for it, also when it came too late. Other verbs have one when somebody does them with a
task of somebody else. Bulk actions call the verbs of `asked` themselves and write one row for all.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, cast

from django.db import transaction

from accounts.models import User
from personalq.lib.errors import Conflict, IllegalTransition
from tasks import trail
from tasks.lifecycle import approvals, asked
from tasks.models import Approval, Task
from tasks.states import Status

P = ParamSpec("P")


def cancel(*, actor: User | None, task: Task, reason: str = "") -> Task:
    """Stop a task for good. Repeating it changes nothing; losing the race for it raises IllegalTransition."""
    try:
        with transaction.atomic():
            ended = asked.cancel(actor=actor, task=task, reason=reason)
            # Not whether the caller saw it cancelled: somebody may have retried it since.
            if ended.finished_at != task.finished_at:
                trail.note("cancel", task, actor)
    except IllegalTransition:
        trail.note_conflict("cancel", task, actor, status=_status_now(task))
        raise
    return ended


def approve(*, actor: User, approval: Approval, text_digest: str, comment: str = "") -> Task:
    """Let the task run. The same answer of the same person again changes nothing.

    Raises ApprovalTextChanged when the digest is not the present text's, or ApprovalDecided.
    """
    with _noting_conflict("approved", approval, actor):
        return approvals.approve(actor=actor, approval=approval, text_digest=text_digest, comment=comment)


def deny(*, actor: User, approval: Approval, comment: str = "") -> Task:
    """Cancel the task. The same answer of the same person again changes nothing. Raises ApprovalDecided."""
    with _noting_conflict("denied", approval, actor):
        return approvals.deny(actor=actor, approval=approval, comment=comment)


@contextmanager
def _noting_conflict(deed: str, approval: Approval, actor: User) -> Iterator[None]:
    try:
        yield
    except Conflict as conflict:
        trail.note_conflict(deed, approval, actor, code=conflict.code)
        raise


def _status_now(task: Task) -> str:
    status = Task.objects.filter(pk=task.pk).values_list("status", flat=True).first()
    return "" if status is None else Status(status).word


def _audited(verb: Callable[P, Task]) -> Callable[P, Task]:
    """The verb, with a row when it changes a task of somebody else."""

    @wraps(verb)
    def act(*args: P.args, **kwargs: P.kwargs) -> Task:
        with transaction.atomic():
            changed = verb(*args, **kwargs)
            trail.note_on_others(verb.__name__, kwargs["task"], cast("User", kwargs["actor"]))
        return changed

    return act


retry = _audited(asked.retry)
backlog = _audited(asked.backlog)
release = _audited(asked.release)
archive = _audited(asked.archive)
restore = _audited(asked.restore)
edit = _audited(asked.edit)
move = _audited(asked.move)
