"""Budgets and usage as clients see them."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from rest_framework.request import Request
from rest_framework.reverse import reverse

from tasks.clock import database_now
from tasks.models import Budget, BudgetScope, Spending
from tasks.spending import budgets
from tasks.spending.budgets import Amount, State

_LASTING = (BudgetScope.MONTH, BudgetScope.TOTAL)


def budgets_in_full(found: Sequence[Budget], request: Request) -> list[dict[str, Any]]:
    """The budgets with what is spent of them, in their order; two more queries for each owner."""
    now = database_now()
    base = reverse("api-budgets", request=request)
    by_owner: dict[int, list[Budget]] = {}
    for budget in found:
        by_owner.setdefault(budget.owner_id, []).append(budget)
    states = {
        state.budget.pk: state
        for owner_id, own in by_owner.items()
        for state in budgets.states_of_owner(owner_id, now, own)
    }
    return [_budget(states[budget.pk], base, budgets.period_of(budget, now)) for budget in found]


def usage_row(spending: Spending) -> dict[str, Any]:
    """What an agent has used in a month."""
    return {
        "month": month_in_words(spending.month),
        "agent": spending.agent.uuid,
        "agent_name": spending.agent.name,
        "owner": spending.owner.get_username(),
        "tokens": spending.tokens,
        "cost": money(spending.cost),
        "tokens_reserved": spending.tokens_reserved,
        "cost_reserved": money(spending.cost_reserved),
    }


def month_in_words(month: date) -> str:
    return month.strftime("%Y-%m")


def money(sum_of_money: Decimal) -> str:
    """US dollars in a string: a JSON number would lose digits in most readers."""
    return f"{sum_of_money:.6f}"


def _budget(state: State, base: str, period: str) -> dict[str, Any]:
    budget = state.budget
    return {
        "uuid": budget.uuid,
        "agent": budget.agent.uuid if budget.agent else None,
        "agent_name": budget.agent.name if budget.agent else None,
        "scope": budget.scope,
        "token_limit": budget.token_limit,
        "cost_limit": None if budget.cost_limit is None else money(budget.cost_limit),
        "is_by_operator": budget.is_by_operator,
        **(_figures(state, period) if budget.scope in _LASTING else dict.fromkeys(_NO_FIGURES)),
        "owner": budget.owner.get_username(),
        "created_at": budget.created_at,
        "updated_at": budget.updated_at,
        "url": f"{base}/{budget.uuid}",
    }


_NO_FIGURES = ("period", "spent", "reserved", "remaining", "share")


def _figures(state: State, period: str) -> dict[str, Any]:
    left = state.left
    return {
        "period": period,
        "spent": _amount(state.spent),
        "reserved": _amount(state.reserved),
        "remaining": {"tokens": left.tokens, "cost": None if left.cost is None else money(left.cost)},
        "share": f"{state.share:.4f}",
    }


def _amount(amount: Amount) -> dict[str, Any]:
    return {"tokens": amount.tokens, "cost": money(amount.cost)}
