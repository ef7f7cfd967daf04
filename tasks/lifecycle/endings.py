"""How attempts end: for good, to be tried again, or held back by a provider's limit."""

from datetime import datetime, timedelta
from typing import Any, Final

from accounts.models import User
from personalq.lib.redaction import redact
from tasks import backoff, dispatch, events, failures
from tasks.clock import database_now
from tasks.failures import Failure, FailureClass
from tasks.holds import current_hold
from tasks.lifecycle import rows
from tasks.models import Agent, ExpectedReport, Task
from tasks.states import Status

LOST_LIMIT: Final = 8
"""How often a task may lose its worker: one that brings every worker down must not do so for ever."""
HELD_LIMIT: Final = 50
"""How often a task may meet a provider's limit."""
LONGEST_HOLD: Final = timedelta(days=8)
"""A little more than the weekly limits that providers have; whatever names a later time is in error."""
_HOLD_BASE_SECONDS: Final = 30
_HOLD_CAP_SECONDS: Final = 900
_LOSS_CAP_SECONDS: Final = 15
DETAIL_LENGTH: Final = 10_000


def cancel_row(task: Task, *, actor: User | None, reason: str, code: str = "") -> None:
    """Cancel a locked, unfinished task; `code` says which rule has done it, if nobody asked for it."""
    was_running = task.state == Status.RUNNING
    if task.state == Status.BACKLOGGED:
        rows.withdraw_approvals(task)
    task.error_code = code
    rows.finish(task, Status.CANCELLED)
    told = {"reason": reason, "error_code": code}
    events.record(task, events.CANCELLED, actor=actor, **{name: value for name, value in told.items() if value})
    if was_running:
        dispatch.stop_after_commit(task_id=task.pk, attempt=task.attempts)
        dispatch.nudge_after_commit(task.queue_id)


def end_badly(task: Task, *, code: str, detail: str, retry_at: datetime | None = None, **facts: Any) -> None:
    """Decide by the failure's class what becomes of a locked running task."""
    failure = failures.FAILURES.get(code, failures.FAILURES["internal_error"])
    if failure.kind is FailureClass.RATE_LIMITED and task.held_attempts < HELD_LIMIT:
        _hold(task, failure, retry_at, facts)
    elif failure.kind is FailureClass.LOST and task.lost_attempts < LOST_LIMIT:
        task.lost_attempts += 1
        task.free_attempts += 1
        _try_again(task, failure, _after_loss(task), facts)
    elif failure.kind is FailureClass.TRANSIENT and not task.is_exhausted:
        _try_again(task, failure, _after_pause(task, retry_at), facts)
    else:
        fail_row(task, failure, detail, **facts)


def fail_row(task: Task, failure: Failure, detail: str = "", **facts: Any) -> None:
    """Fail a locked task; it is dead when only the number of attempts keeps it from being tried again."""
    task.error_code = failure.code
    task.error_detail = redact(detail)[:DETAIL_LENGTH]
    task.dead_at = database_now() if failure.kind.is_retried else None
    rows.finish(task, Status.FAILED, "error_detail")
    told = {"error_code": failure.code, "error": failure.sentence, "is_dead": task.dead_at is not None}
    events.record(task, events.FAILED, **{**facts, **told})


def park_row(task: Task, **facts: Any) -> None:
    """Leave a locked running task to the outside runner that has, or may have, its work."""
    task.parked_at = database_now()
    task.lease_expires_at = task.deadline_at
    rows.save(task, Status.RUNNING)
    events.record(task, events.PARKED, **facts)


def is_handed_over(task: Task) -> bool:
    """Whether an outside runner may have the work of the present attempt: to begin anew would have it done twice."""
    return ExpectedReport.objects.filter(task=task, attempt=task.attempts).exists()


def give_back_row(task: Task, reason: str) -> None:
    """Put a locked running task back in line; the attempt does not count. What was handed over stays where it is."""
    if is_handed_over(task):
        park_row(task, reason=reason)
        return
    task.free_attempts += 1
    rows.make_ready(task, not_before_at=None)
    events.record(task, events.RETRIED, reason=reason)


def _try_again(task: Task, failure: Failure, not_before_at: datetime | None, facts: dict[str, Any]) -> None:
    rows.make_ready(task, not_before_at=not_before_at)
    told = {"reason": failure.code, "error": failure.sentence}
    when = {} if not_before_at is None else {"not_before_at": rows.as_text(not_before_at)}
    events.record(task, events.RETRIED, **{**facts, **told, **when})


def _after_pause(task: Task, retry_at: datetime | None) -> datetime:
    """The usual pause, or what the other side asked for if that is later."""
    usual = _after_backoff(task)
    return usual if retry_at is None else min(max(usual, retry_at), database_now() + LONGEST_HOLD)


def _after_backoff(task: Task) -> datetime:
    agent = task.agent
    waits = {} if agent is None else {"base": agent.retry_base_seconds, "cap": agent.retry_cap_seconds}
    return database_now() + backoff.delay(task.attempts - task.free_attempts, **waits)


def _after_loss(task: Task) -> datetime | None:
    # One loss says nothing about the task. From the second one on those that were lost together part ways, so that
    # one which takes its worker with it does not use up the patience for all that run beside it.
    if task.lost_attempts == 1:
        return None
    return database_now() + backoff.delay(task.lost_attempts - 1, cap=_LOSS_CAP_SECONDS)


def _hold(task: Task, failure: Failure, retry_at: datetime | None, facts: dict[str, Any]) -> None:
    now = database_now()
    task.held_attempts += 1
    task.free_attempts += 1
    pause = backoff.delay(task.held_attempts, base=_HOLD_BASE_SECONDS, cap=_HOLD_CAP_SECONDS)
    until = min(max(retry_at or now + pause, now + timedelta(seconds=1)), now + LONGEST_HOLD)
    rows.make_ready(task, not_before_at=None, held_until_at=until)
    hold = current_hold(until=until, code=failure.code, now=now)
    told = {"reason": failure.code, "error": failure.sentence, "until": rows.as_text(until)}
    events.record(task, events.HELD, **{**facts, **told, "held": hold.sentence if hold else ""})
    if task.agent is not None:
        _hold_agents(task.agent, until, failure)


def _hold_agents(agent: Agent, until: datetime, failure: Failure) -> None:
    existing = Agent.objects.existing()
    # A budget may be the agent's alone; another one that it holds for finds out by itself.
    is_shared = failure.code != "budget_reserved"
    sharing = existing.sharing_account_with(agent) if is_shared else existing.filter(pk=agent.pk)
    # Locked last, as everywhere, and in one order. A shorter hold never ends a longer one.
    held = sharing.not_held_beyond(until).order_by("pk").select_for_update(no_key=True)
    ids = list(held.values_list("pk", flat=True))
    Agent.objects.filter(pk__in=ids).update(held_until_at=until, held_code=failure.code)
