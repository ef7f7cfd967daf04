"""What may still be spent: the limits that hold for an agent, and how much of each is used up.

Spent is what ended attempts were charged with and what running ones have told so far. Reserved is what running ones
may still spend beyond that: for a new attempt it is gone, but whoever waits a little may have it.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from django.db.models import Case, F, Q, QuerySet, Sum, When
from django.db.models.functions import Coalesce, Greatest

from personalq.lib.errors import AppError
from tasks.clock import database_now
from tasks.models import Agent, AttemptSpending, Budget, BudgetScope, Spending, Task

WARN_AT: Final = Decimal("0.8")
_LASTING: Final = (BudgetScope.MONTH, BudgetScope.TOTAL)


class BudgetExhausted(AppError):  # noqa: N818 - named like the others
    """What may be spent is spent."""

    code = "budget_exhausted"
    status = 402
    title = "The budget is used up."
    advice = "Raise the budget, then try again. One for a month begins anew with the next month."


class BudgetReserved(Exception):  # noqa: N818 - a fact about this moment
    """What is not spent yet is reserved by attempts that run."""


@dataclass(frozen=True, kw_only=True)
class Amount:
    """Tokens (in and out together) and US dollars."""

    tokens: int = 0
    cost: Decimal = Decimal(0)

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(tokens=self.tokens + other.tokens, cost=self.cost + other.cost)


NOTHING: Final = Amount()


@dataclass(frozen=True, kw_only=True)
class Left:
    """What is left of a budget, never below 0; None is not limited."""

    tokens: int | None
    cost: Decimal | None


@dataclass(frozen=True, kw_only=True)
class State:
    """One budget and what is spent and reserved of it."""

    budget: Budget
    spent: Amount
    reserved: Amount = NOTHING

    @property
    def share(self) -> Decimal:
        """Which part is spent, 1 being all; the larger one of tokens and money."""
        tokens, cost = self.budget.token_limit, self.budget.cost_limit
        return max(
            Decimal(self.spent.tokens) / tokens if tokens else Decimal(0),
            self.spent.cost / cost if cost else Decimal(0),
        )

    @property
    def left(self) -> Left:
        """What a new attempt may have now."""
        return self._less(self.spent + self.reserved)

    @property
    def unspent(self) -> Left:
        """What is left if running attempts spend nothing more."""
        return self._less(self.spent)

    @property
    def is_exhausted(self) -> bool:
        """Whether all of it is spent."""
        return self.share >= 1

    def _less(self, gone: Amount) -> Left:
        tokens, cost = self.budget.token_limit, self.budget.cost_limit
        return Left(
            tokens=None if tokens is None else max(0, tokens - gone.tokens),
            cost=None if cost is None else max(Decimal(0), cost - gone.cost),
        )


def month_of(at: datetime) -> date:
    """The first day of the calendar month, UTC."""
    return at.date().replace(day=1)


def period_of(budget: Budget, now: datetime) -> str:
    """What a warning is given once for."""
    return now.strftime("%Y-%m") if budget.scope == BudgetScope.MONTH else "total"


def states_for(agent: Agent, now: datetime, *, task: Task | None = None, is_before: bool = False) -> list[State]:
    """Every budget that holds for an agent.

    With `task`, those of single tasks and attempts count what it has spent; with `is_before` as well, its present
    attempt is left out of all, as if it had not begun.
    """
    budgets = list(Budget.objects.filter(Q(agent=agent) | Q(agent__isnull=True), owner_id=agent.owner_id))
    return list(_with_spent(budgets, agent.owner_id, now, task, is_before=is_before)) if budgets else []


def states_of_owner(owner_id: int, now: datetime, budgets: Iterable[Budget]) -> list[State]:
    """Some of an owner's budgets with what is spent of them; of single tasks and attempts nothing is."""
    return list(_with_spent(list(budgets), owner_id, now, None, is_before=False))


def refuse_when_exhausted(agents: Collection[Agent]) -> None:
    """Raises BudgetExhausted when a month's or total budget of one of the agents has nothing left."""
    agent_ids, owner_ids = {agent.pk for agent in agents}, {agent.owner_id for agent in agents}
    holding = Q(agent__isnull=True) | Q(agent_id__in=agent_ids)
    budgets = list(Budget.objects.filter(holding, owner_id__in=owner_ids, scope__in=_LASTING))
    for owner_id in {budget.owner_id for budget in budgets}:
        for state in states_of_owner(owner_id, database_now(), [one for one in budgets if one.owner_id == owner_id]):
            if state.is_exhausted:
                raise BudgetExhausted(f"{in_words(state.budget)} is used up. {BudgetExhausted.advice}")


def in_words(budget: Budget) -> str:
    """The budget as a sentence's subject."""
    what = {
        BudgetScope.ATTEMPT: "The budget for one attempt",
        BudgetScope.TASK: "The budget for one task",
        BudgetScope.MONTH: "This month's budget",
        BudgetScope.TOTAL: "The total budget",
    }[BudgetScope(budget.scope)]
    whose = "of this agent" if budget.agent_id else "for all agents together"
    return f"{what} {whose}{', set by the operators,' if budget.is_by_operator else ''}"


def as_facts(state: State) -> dict[str, Any]:
    """A budget as it stands in the data of an event."""
    budget = state.budget
    told = {
        "budget": str(budget.uuid),
        "scope": budget.scope,
        "sentence": f"{in_words(budget)} is {int(state.share * 100)} % used up.",
        "tokens": state.spent.tokens if budget.token_limit else None,
        "token_limit": budget.token_limit,
        "cost": str(state.spent.cost) if budget.cost_limit else None,
        "cost_limit": str(budget.cost_limit) if budget.cost_limit else None,
    }
    return {name: value for name, value in told.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class _Part:
    """What one agent has spent and reserved, in the present month or before."""

    agent_id: int
    is_now: bool
    spent: Amount
    reserved: Amount = NOTHING


def _with_spent(
    budgets: list[Budget], owner_id: int, now: datetime, task: Task | None, *, is_before: bool
) -> Iterator[State]:
    present = Q(task=task, attempt=task.attempts) if task is not None else Q(pk__isnull=True)
    left_out = present if is_before else Q(pk__isnull=True)
    parts = [*_settled(owner_id, now), *_open(owner_id, now, left_out)]
    for budget in budgets:
        match budget.scope:
            case BudgetScope.MONTH:
                yield _sum(budget, [part for part in parts if part.is_now])
            case BudgetScope.TOTAL:
                yield _sum(budget, parts)
            case BudgetScope.TASK if task is not None:
                attempts = AttemptSpending.objects.filter(task=task).exclude(left_out)
                yield State(budget=budget, spent=_of_attempts(attempts))
            case BudgetScope.ATTEMPT if task is not None and not is_before:
                yield State(budget=budget, spent=_of_attempts(AttemptSpending.objects.filter(present)))
            case _:
                yield State(budget=budget, spent=NOTHING)


def _settled(owner_id: int, now: datetime) -> list[_Part]:
    """What ended attempts were charged with: at most two parts for each agent."""
    is_now = Case(When(month=month_of(now), then=True), default=False)
    grouped = Spending.objects.filter(owner_id=owner_id).annotate(is_now=is_now).values("agent_id", "is_now")
    rows = grouped.annotate(all_tokens=Sum("tokens"), all_cost=Sum("cost"))
    return [
        _Part(
            agent_id=row["agent_id"],
            is_now=row["is_now"],
            spent=Amount(tokens=int(row["all_tokens"]), cost=row["all_cost"]),
        )
        for row in rows
    ]


def _open(owner_id: int, now: datetime, left_out: Q) -> list[_Part]:
    """What running attempts have told, and what each may still spend beyond that."""
    told, cost = F("tokens_in") + F("tokens_out"), Coalesce(F("cost"), Decimal(0))
    running = AttemptSpending.objects.filter(settled_at__isnull=True, spending__owner_id=owner_id).exclude(left_out)
    rows = running.values("spending__agent_id", "spending__month").annotate(
        tokens=Sum(told),
        all_cost=Sum(cost),
        tokens_held=Sum(Greatest(F("tokens_reserved") - told, 0)),
        cost_held=Sum(Greatest(F("cost_reserved") - cost, Decimal(0))),
    )
    return [
        _Part(
            agent_id=row["spending__agent_id"],
            is_now=row["spending__month"] == month_of(now),
            spent=Amount(tokens=int(row["tokens"]), cost=row["all_cost"]),
            reserved=Amount(tokens=int(row["tokens_held"]), cost=row["cost_held"]),
        )
        for row in rows
    ]


def _sum(budget: Budget, parts: list[_Part]) -> State:
    meant = [part for part in parts if budget.agent_id in {None, part.agent_id}]
    return State(
        budget=budget,
        spent=sum((part.spent for part in meant), NOTHING),
        reserved=sum((part.reserved for part in meant), NOTHING),
    )


def _of_attempts(attempts: QuerySet[AttemptSpending]) -> Amount:
    found = attempts.aggregate(
        tokens=Coalesce(Sum(F("tokens_in") + F("tokens_out")), 0), all_cost=Coalesce(Sum("cost"), Decimal(0))
    )
    return Amount(tokens=int(found["tokens"]), cost=found["all_cost"])
