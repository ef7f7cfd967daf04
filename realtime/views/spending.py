"""What was spent, in the shapes that pages show."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from django.db.models import Sum

from accounts.models import User
from tasks import access
from tasks.clock import database_now
from tasks.models import Budget, BudgetScope, Spending
from tasks.spending import budgets

MOST_MONTHS: Final = 12
_WHOLE: Final = 1_000
_PASSING: Final = (BudgetScope.ATTEMPT, BudgetScope.TASK)
NEAR: Final = budgets.WARN_AT


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One limit of a budget as a bar of `whole` steps."""

    unit: str
    limit: Decimal | int
    spent: Decimal | int
    reserved: Decimal | int
    left: Decimal | int

    @property
    def whole(self) -> int:
        return _WHOLE

    @property
    def is_money(self) -> bool:
        return self.unit == "money"

    @property
    def filled(self) -> int:
        return self._steps(self.spent)

    @property
    def held(self) -> int:
        """Steps beside `filled`, never beyond the end."""
        return min(self._steps(self.reserved), _WHOLE - self.filled)

    @property
    def percent(self) -> int:
        return int(100 * Decimal(self.spent) / Decimal(self.limit))

    @property
    def look(self) -> str:
        """The class of its colour."""
        share = Decimal(self.spent) / Decimal(self.limit)
        return "gauge-full" if share >= 1 else "gauge-near" if share >= NEAR else "gauge-good"

    def _steps(self, amount: Decimal | int) -> int:
        steps = int(_WHOLE * Decimal(amount) / Decimal(self.limit))
        # What is there is seen, however little it is.
        return min(_WHOLE, max(steps, 1 if amount else 0))


@dataclass(frozen=True, kw_only=True)
class ShownBudget:
    """A budget and how much of it is gone; without bars when it counts anew for each task or attempt."""

    budget: Budget
    bars: list[Bar]
    may_change: bool


@dataclass(frozen=True, kw_only=True)
class Month:
    """What the agents of somebody spent in a month."""

    first_day: date
    rows: list[Spending]
    tokens: int
    cost: Decimal


def shown_budgets(reader: User, owner_id: int, shown: Iterable[Budget]) -> list[ShownBudget]:
    """Some of an owner's budgets, in their order."""
    return [_shown(reader, state) for state in budgets.states_of_owner(owner_id, database_now(), shown)]


def _shown(user: User, state: budgets.State) -> ShownBudget:
    may_change = access.is_owner_or_operator(user, state.budget, "change")
    return ShownBudget(budget=state.budget, bars=_bars(state), may_change=may_change)


def months_of(user: User) -> list[Month]:
    """The newest months in which the user's agents have spent something."""
    own = access.spending_of(user).exclude(tokens=0, cost=0)
    newest = list(own.order_by("-month").values_list("month", flat=True).distinct()[:MOST_MONTHS])
    rows = list(own.filter(month__in=newest).select_related("agent").order_by("-cost", "-tokens", "pk"))
    return [_month(first_day, [row for row in rows if row.month == first_day]) for first_day in newest]


def spent_this_month(user: User) -> budgets.Amount:
    """What ended attempts have spent since the first of the month, UTC."""
    found = access.spending_of(user).filter(month=budgets.month_of(database_now()))
    sums = found.aggregate(all_tokens=Sum("tokens"), all_cost=Sum("cost"))
    return budgets.Amount(tokens=int(sums["all_tokens"] or 0), cost=sums["all_cost"] or Decimal(0))


def _bars(state: budgets.State) -> list[Bar]:
    if state.budget.scope in _PASSING:
        return []
    left = state.left
    bars = []
    if state.budget.token_limit and left.tokens is not None:
        bars.append(
            Bar(
                unit="tokens",
                limit=state.budget.token_limit,
                spent=state.spent.tokens,
                reserved=state.reserved.tokens,
                left=left.tokens,
            )
        )
    if state.budget.cost_limit and left.cost is not None:
        bars.append(
            Bar(
                unit="money",
                limit=state.budget.cost_limit,
                spent=state.spent.cost,
                reserved=state.reserved.cost,
                left=left.cost,
            )
        )
    return bars


def _month(first_day: date, rows: list[Spending]) -> Month:
    tokens = sum(row.tokens for row in rows)
    return Month(first_day=first_day, rows=rows, tokens=tokens, cost=sum((row.cost for row in rows), Decimal(0)))
