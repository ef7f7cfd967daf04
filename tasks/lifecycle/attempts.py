"""What workers do: claim, show that they are alive, write output, end an attempt."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from django.conf import settings
from django.db import connection, transaction

from personalq.lib.errors import InvalidInput
from tasks import dispatch, events, locks, selection
from tasks.claims import Claim, OutputPiece
from tasks.clock import database_now
from tasks.lifecycle import endings, rows, spent
from tasks.models import ExpectedReport, Queue, QueueStart, QueueTurn, Task
from tasks.spending import budgets
from tasks.spending.allowance import Allowance, Wanted, allow
from tasks.spending.budgets import Amount
from tasks.spending.usage import Usage
from tasks.states import Status

MISSED_SECONDS: Final = 0.05


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """The tasks that a worker has just taken, each with its agent, and what could let others start."""

    tasks: list[Task] = field(default_factory=list)
    look_again_seconds: float | None = None
    waits_for: frozenset[selection.Room] = frozenset()


@transaction.atomic
def claim(
    *,
    queue_id: int,
    worker: str,
    limit: int = 1,
    taker: selection.OutsideWorker | None = None,
    lease_seconds: int | None = None,
) -> Claimed:
    """Take at most `limit` of the queue's next ready tasks, within every limit there is.

    `Claim.of(task)` is the right to write about the attempt that begins. A `taker` is a worker outside, whose lease may
    be longer than ours, but never longer than the attempt.
    """
    locks.hold_claims()
    now = database_now()
    chosen = selection.select(queue_id=queue_id, limit=limit, now=now, taker=taker)
    lease = lease_seconds or settings.PERSONALQ_LEASE_SECONDS
    tasks = _start(queue_id, chosen.task_ids, now, lease) if chosen.task_ids else []
    if tasks and chosen.queue is not None:
        _remember(chosen.queue, tasks, now)
    events.record_each(tasks, events.STARTED, data_of=lambda task: _started(task, worker))
    return Claimed(tasks=tasks, look_again_seconds=_seconds(chosen, tasks, now), waits_for=chosen.waits_for)


# Locked in the order of their ids: two that renew the same rows must not wait for each other.
_RENEW = """
WITH held AS (
    SELECT tasks.id FROM tasks
    JOIN unnest(%(ids)s::bigint[], %(attempts)s::integer[]) AS claim (id, attempt) ON tasks.id = claim.id
    WHERE tasks.attempts = claim.attempt AND tasks.status = 4
    ORDER BY tasks.id FOR NO KEY UPDATE OF tasks
)
UPDATE tasks SET lease_expires_at = clock_timestamp() + make_interval(secs => %(lease)s)
FROM held WHERE tasks.id = held.id
RETURNING tasks.id, tasks.attempts
"""


def heartbeat(claims: Iterable[Claim]) -> set[Claim]:
    """Renew the leases of those claims that still hold, and name them. The others must stop."""
    asked = list(claims)
    parameters: dict[str, Any] = {
        "ids": [one.task_id for one in asked],
        "attempts": [one.attempt for one in asked],
        "lease": settings.PERSONALQ_LEASE_SECONDS,
    }
    with connection.cursor() as cursor:
        cursor.execute(_RENEW, parameters)
        return {Claim(task_id=row[0], attempt=row[1]) for row in cursor.fetchall()}


def still_held(claims: Iterable[Claim]) -> set[Claim]:
    """Which of the claims still hold, without renewing them."""
    asked = list(claims)
    running = Task.objects.running().filter(pk__in=[one.task_id for one in asked])
    held = {Claim(task_id=pk, attempt=attempt) for pk, attempt in running.values_list("pk", "attempts")}
    return held & set(asked)


@transaction.atomic
def record_output(*, claim: Claim, text: str, offset: int) -> None:
    """Add a piece of output to the history; `offset` counts the characters before it in this attempt.

    What the history has already is left out, as when a connection broke at the commit and the piece comes again.
    """
    task = rows.lock_claimed(claim)
    if news := _news(OutputPiece(claim=claim, text=text, offset=offset), _recorded_length(task)):
        events.record(task, events.OUTPUT, **news)


# Rows that somebody holds are left out: one of them must not keep the output of all others waiting.
_LOCK_HELD: Final = """
WITH held AS (
    SELECT tasks.id, tasks.attempts FROM tasks
    JOIN unnest(%(ids)s::bigint[], %(attempts)s::integer[]) AS claim (id, attempt) ON tasks.id = claim.id
    WHERE tasks.status = 4 AND tasks.attempts = claim.attempt
    ORDER BY tasks.id FOR NO KEY UPDATE OF tasks SKIP LOCKED
)
SELECT held.id, held.attempts, coalesce(last.length, 0) FROM held LEFT JOIN LATERAL (
    SELECT (data->>'offset')::bigint + length(data->>'text') AS length FROM task_events
    WHERE task_id = held.id AND attempt = held.attempts AND kind = 'task_output' ORDER BY id DESC LIMIT 1
) AS last ON true
"""


@transaction.atomic
def record_outputs(*, pieces: Sequence[OutputPiece]) -> set[Claim]:
    """Do what `record_output` does for many attempts, one piece of each; names those for which it is done.

    The others are over, or somebody holds their rows: `record_output` tells which.
    """
    recorded = _lock_held([piece.claim for piece in pieces])
    held = [piece for piece in pieces if piece.claim in recorded]
    news = {piece.claim: _news(piece, recorded[piece.claim]) for piece in held}
    tasks = Task.objects.only("id", "owner_id", "attempts").in_bulk([one.task_id for one, new in news.items() if new])
    events.record_each(
        [tasks[claim.task_id] for claim, new in news.items() if new],
        events.OUTPUT,
        data_of=lambda task: news[Claim.of(task)],
    )
    return {piece.claim for piece in held}


def _lock_held(claims: list[Claim]) -> dict[Claim, int]:
    """Lock the rows of those claims that hold; tells how many characters of output the history has of each."""
    parameters = {"ids": [one.task_id for one in claims], "attempts": [one.attempt for one in claims]}
    with connection.cursor() as cursor:
        cursor.execute(_LOCK_HELD, parameters)
        return {Claim(task_id=pk, attempt=attempt): length for pk, attempt, length in cursor.fetchall()}


def _news(piece: OutputPiece, recorded: int) -> dict[str, Any]:
    """What of a piece the history does not have; empty when it has all."""
    begin = max(piece.offset, recorded)
    text = piece.text[begin - piece.offset :]
    return {"text": text, "offset": begin} if text else {}


@transaction.atomic
def keep(*, claim: Claim, lease_seconds: int, text: str = "") -> Task:
    """Renew an outside worker's lease and add a piece to its output.

    Raises InvalidInput when the output would grow beyond the agent's limit; then nothing changes.
    """
    task = rows.lock_claimed(claim)
    task.lease_expires_at = database_now() + timedelta(seconds=lease_seconds)
    task.save(update_fields=["lease_expires_at"])
    if text:
        offset = _recorded_length(task)
        if task.agent is not None and offset + len(text.encode()) > task.agent.output_limit_bytes:
            raise InvalidInput.for_field("text", "too_long", "The output would grow beyond the agent's limit.")
        events.record(task, events.OUTPUT, text=text, offset=offset)
    return task


@transaction.atomic
def reserve(*, claim: Claim, wanted: Wanted) -> Allowance:
    """Set aside what the attempt may spend; what it had set aside before is replaced.

    Raises BudgetExhausted when that is nothing, BudgetReserved when it is nothing while others run, or PriceUnknown
    when money is limited and nobody knows the price.
    """
    task = rows.lock_claimed(claim)
    if task.owner_id is None or task.agent is None:
        return Allowance()
    locks.hold_spending(task.owner_id)
    allowance = allow(budgets.states_for(task.agent, database_now(), task=task, is_before=True), wanted)
    spent.reserve(task, Amount(tokens=allowance.tokens or 0, cost=allowance.cost or Decimal(0)))
    return allowance


@transaction.atomic
def note_usage(*, claim: Claim, usage: Usage) -> None:
    """Keep what the attempt has consumed so far: if it ends without a word of its own, this is what it cost."""
    spent.note(rows.lock_claimed(claim), usage)


@transaction.atomic
def expect_report(*, claim: Claim, secret_digest: str) -> ExpectedReport:
    """Prepare for an outside runner's callback about this attempt; of repeated calls the last secret holds."""
    task = rows.lock_claimed(claim)
    report, _ = ExpectedReport.objects.update_or_create(
        task=task, attempt=task.attempts, defaults={"secret_digest": secret_digest}
    )
    return report


@transaction.atomic
def park(*, claim: Claim, **facts: Any) -> None:
    """Leave the attempt to an outside runner, which reports before the deadline. No worker is needed meanwhile."""
    endings.park_row(rows.lock_claimed(claim), **facts)


@transaction.atomic
def raise_alarm(*, claim: Claim, reason: str) -> None:
    """Mark a task whose output gives away what it must not; once for each attempt is enough."""
    task = rows.lock_claimed(claim)
    task.has_alarm = True
    task.save(update_fields=["has_alarm"])
    events.record(task, events.ALARM, reason=reason)


@transaction.atomic
def complete(*, claim: Claim, result: str, usage: Usage | None = None, **facts: Any) -> Task:
    """End an attempt well. `facts` are small details for the event, such as an exit code."""
    task = rows.lock_claimed(claim)
    facts |= _take_usage(task, usage)
    task.result = result
    task.error_code = task.error_detail = ""
    rows.finish(task, Status.COMPLETE, "result", "error_detail")
    events.record(task, events.COMPLETED, length=len(result), **facts)
    dispatch.nudge_after_commit(task.queue_id)
    return task


@transaction.atomic
def fail(
    *,
    claim: Claim,
    code: str,
    detail: str = "",
    usage: Usage | None = None,
    retry_at: datetime | None = None,
    **facts: Any,
) -> Task:
    """End an attempt badly; the class of the failure decides whether the task fails or is ready again.

    `retry_at` is when a provider's limit ends, as the provider told it.
    """
    task = rows.lock_claimed(claim)
    facts |= _take_usage(task, usage)
    endings.end_badly(task, code=code, detail=detail, retry_at=retry_at, **facts)
    dispatch.nudge_after_commit(task.queue_id)
    return task


@transaction.atomic
def give_back(*, claim: Claim, reason: str) -> Task:
    """Return a task that its worker cannot finish, through no fault of the task: the attempt does not count."""
    task = rows.lock_claimed(claim)
    endings.give_back_row(task, reason)
    dispatch.nudge_after_commit(task.queue_id)
    return task


def _recorded_length(task: Task) -> int:
    """How many characters of output the history has of the task's present attempt."""
    output = task.events.filter(kind=events.OUTPUT, attempt=task.attempts).order_by("-id")
    last = output.values_list("data", flat=True).first()
    return 0 if last is None else int(last["offset"]) + len(last["text"])


_START = """
UPDATE tasks SET
    status = 4, recorded_status = 4, attempts = tasks.attempts + 1, start_by_at = NULL,
    started_at = %(now)s,
    lease_expires_at = %(now)s + make_interval(secs => %(lease)s),
    deadline_at = %(now)s + make_interval(secs => agents.timeout_seconds)
FROM agents
WHERE agents.id = tasks.agent_id AND tasks.id IN (
    SELECT id FROM tasks
    WHERE id = ANY(%(ids)s) AND status = 0 AND recorded_status = 0 AND queue_id = %(queue)s
    FOR NO KEY UPDATE SKIP LOCKED
)
RETURNING tasks.id
"""


def _start(queue_id: int, task_ids: list[int], now: datetime, lease: int) -> list[Task]:
    """Make those of the tasks run that nobody has touched meanwhile."""
    with connection.cursor() as cursor:
        cursor.execute(_START, {"queue": queue_id, "ids": task_ids, "now": now, "lease": lease})
        started = {row[0] for row in cursor.fetchall()}
    found = Task.objects.select_related("agent").in_bulk(started)
    return [found[pk] for pk in task_ids if pk in found]


def _seconds(chosen: selection.Selection, tasks: list[Task], now: datetime) -> float | None:
    if len(tasks) < len(chosen.task_ids):
        # Somebody changes the others at this moment: when that is done they have left room, or may start.
        return MISSED_SECONDS
    return None if chosen.look_again_at is None else (chosen.look_again_at - now).total_seconds()


def _remember(queue: Queue, tasks: list[Task], now: datetime) -> None:
    """Note whose turn it was in a shared queue, and what counts against a rate."""
    if queue.is_shared:
        owners = sorted({task.owner_id for task in tasks if task.owner_id is not None})
        QueueTurn.objects.bulk_create(
            [QueueTurn(queue=queue, owner_id=owner_id, at=now) for owner_id in owners],
            update_conflicts=True,
            unique_fields=["queue", "owner"],
            update_fields=["at"],
        )
    if queue.rate_limit is not None:
        queue.starts.filter(at__lte=now - timedelta(seconds=queue.rate_period_seconds)).delete()
        QueueStart.objects.bulk_create([QueueStart(queue=queue, at=now) for _ in tasks])


def _started(task: Task, worker: str) -> dict[str, Any]:
    return {"worker": worker, "agent": task.agent.name if task.agent else None}


def _take_usage(task: Task, usage: Usage | None) -> dict[str, Any]:
    """Note what the attempt consumed, and tell it for the attempt's own event."""
    if usage is None:
        return {}
    spent.note(task, usage)
    told = {"tokens_in": usage.tokens_in, "tokens_out": usage.tokens_out, "cost": usage.cost}
    return {name: str(value) if name == "cost" else value for name, value in told.items() if value is not None}
