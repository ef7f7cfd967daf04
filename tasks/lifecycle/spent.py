"""What attempts reserve and spend, written within the verbs that begin, carry on and end them."""

from decimal import Decimal
from typing import Final

from django.db import connection
from django.db.models import F, Q, QuerySet

from personalq.lib.fields import LARGEST_INTEGER
from tasks import events
from tasks.clock import database_now
from tasks.models import AttemptSpending, Budget, BudgetScope, Spending, Task, TaskEvent
from tasks.spending import budgets
from tasks.spending.budgets import Amount, State
from tasks.spending.usage import Usage
from tasks.states import Status

LARGEST_COST: Final = Decimal(100_000)
"""Of one attempt, and within what the columns hold: programs may say anything."""
LARGEST_TOKENS: Final = 10**9
FORGOTTEN_AT_ONCE: Final = 500


def reserve(task: Task, amount: Amount) -> None:
    """Set an amount aside for a locked task's attempt. The caller holds the owner's spending."""
    entry = _entry(task)
    if entry is None:
        return
    Spending.objects.filter(pk=entry.spending_id).update(
        tokens_reserved=F("tokens_reserved") + amount.tokens - entry.tokens_reserved,
        cost_reserved=F("cost_reserved") + amount.cost - entry.cost_reserved,
    )
    entry.tokens_reserved, entry.cost_reserved = amount.tokens, amount.cost
    entry.save(update_fields=["tokens_reserved", "cost_reserved"])


def note(task: Task, usage: Usage) -> None:
    """Write down what a locked task's attempt has consumed so far; the last word counts."""
    entry = _entry(task)
    if entry is None or entry.settled_at is not None:
        return
    entry.tokens_in, entry.tokens_out = _tokens(usage.tokens_in), _tokens(usage.tokens_out)
    entry.cost = _cost(usage.cost)
    entry.save(update_fields=["tokens_in", "tokens_out", "cost"])
    _warn(task)


# One statement, because every attempt ends with it and most have spent nothing.
_SETTLE: Final = """
WITH entry AS (
    SELECT id, spending_id, tokens_reserved, cost_reserved, tokens_in, tokens_out, cost FROM attempt_spending
    WHERE task_id = %(task)s AND attempt = %(attempt)s AND settled_at IS NULL FOR UPDATE
), settled AS (
    UPDATE attempt_spending SET settled_at = clock_timestamp(), tokens_reserved = 0, cost_reserved = 0
    FROM entry WHERE attempt_spending.id = entry.id
), counted AS (
    UPDATE spending SET
        tokens = spending.tokens + entry.tokens_in + entry.tokens_out,
        cost = spending.cost + coalesce(entry.cost, 0),
        tokens_reserved = spending.tokens_reserved - entry.tokens_reserved,
        cost_reserved = spending.cost_reserved - entry.cost_reserved
    FROM entry WHERE spending.id = entry.spending_id
)
SELECT tokens_in, tokens_out, cost FROM entry
"""


def settle(task: Task) -> None:
    """Count what the attempt of a locked task, which ends now, has spent, and let go of what it had reserved."""
    found = _settle(task.pk, task.attempts)
    if found is None:
        return
    tokens_in, tokens_out, cost = found
    task.tokens_in = min((task.tokens_in or 0) + tokens_in, LARGEST_INTEGER)
    task.tokens_out = min((task.tokens_out or 0) + tokens_out, LARGEST_INTEGER)
    task.cost = task.cost if cost is None else min((task.cost or 0) + cost, LARGEST_COST)
    _warn(task)


def settle_forgotten() -> None:
    """Settle what belongs to attempts that SQL has ended, which knows nothing of spending."""
    goes_on = Q(task__status=Status.RUNNING, task__attempts=F("attempt"))
    over = AttemptSpending.objects.filter(settled_at__isnull=True).exclude(goes_on).order_by("id")
    for task_id, attempt in over.values_list("task_id", "attempt")[:FORGOTTEN_AT_ONCE]:
        _settle(task_id, attempt)


def _settle(task_id: int, attempt: int) -> tuple[int, int, Decimal | None] | None:
    with connection.cursor() as cursor:
        cursor.execute(_SETTLE, {"task": task_id, "attempt": attempt})
        found: tuple[int, int, Decimal | None] | None = cursor.fetchone()
        return found


def _entry(task: Task) -> AttemptSpending | None:
    """The entry of the task's present attempt, made when it is missing; None for a task of nobody."""
    if task.owner_id is None or task.agent_id is None:
        return None
    found = AttemptSpending.objects.filter(task=task, attempt=task.attempts).first()
    if found is not None:
        return found
    spending, _ = Spending.objects.get_or_create(
        owner_id=task.owner_id, agent_id=task.agent_id, month=budgets.month_of(database_now())
    )
    return AttemptSpending.objects.create(task=task, attempt=task.attempts, spending=spending)


def _warn(task: Task) -> None:
    """Tell, once for each budget and period, that four fifths are used up."""
    if task.agent is None:
        return
    now = database_now()
    for state in budgets.states_for(task.agent, now, task=task):
        if state.share >= budgets.WARN_AT and _is_first_warning(task, state, budgets.period_of(state.budget, now)):
            events.record(task, events.BUDGET_WARNING, **budgets.as_facts(state))


def _is_first_warning(task: Task, state: State, period: str) -> bool:
    match state.budget.scope:
        case BudgetScope.ATTEMPT:
            return not _warnings(task, state).filter(attempt=task.attempts).exists()
        case BudgetScope.TASK:
            return not _warnings(task, state).exists()
        case _:
            return bool(Budget.objects.filter(pk=state.budget.pk).exclude(warned_for=period).update(warned_for=period))


def _warnings(task: Task, state: State) -> QuerySet[TaskEvent]:
    return task.events.filter(kind=events.BUDGET_WARNING, data__budget=str(state.budget.uuid))


def _tokens(number: int | None) -> int:
    return min(max(number or 0, 0), LARGEST_TOKENS)


def _cost(cost: Decimal | None) -> Decimal | None:
    return None if cost is None or not cost.is_finite() else min(max(cost, Decimal(0)), LARGEST_COST)
