"""How much one attempt may spend, from what it wants and what the budgets have left. Pure but for the budgets' rows."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

from tasks.spending.budgets import BudgetExhausted, BudgetReserved, Left, State, in_words
from tasks.spending.usage import Usage

_MILLION: Final = Decimal(1_000_000)
_SMALLEST: Final = Decimal("0.000001")


class PriceUnknown(Exception):  # noqa: N818 - a fact about the price table
    """A budget limits money, but the model has no price."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What an attempt is going to consume: tokens of input as estimated, of output at most; prices for a million."""

    tokens_in: int = 0
    tokens_out: int | None = None
    """None when nobody knows how much it may become."""
    input_price: Decimal | None = None
    output_price: Decimal | None = None
    is_cost_told: bool = False
    """Whether the one who does the work tells its cost, so that no price is needed."""


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """What an attempt may spend; None is not limited."""

    tokens: int | None = None
    cost: Decimal | None = None
    tokens_out: int | None = None
    """How many tokens of output that leaves."""

    def is_used_up_by(self, usage: Usage) -> bool:
        """Whether an attempt that has consumed this must stop."""
        if self.tokens is not None and usage.tokens > self.tokens:
            return True
        return self.cost is not None and usage.cost is not None and usage.cost > self.cost


def allow(states: Iterable[State], wanted: Wanted) -> Allowance:
    """The most that every budget allows. Raises BudgetExhausted, BudgetReserved or PriceUnknown."""
    states = list(states)
    for state in states:
        if state.is_exhausted:
            raise BudgetExhausted(f"{in_words(state.budget)} is used up. {BudgetExhausted.advice}")
    allowance = _within([state.left for state in states], wanted)
    if allowance is not None:
        return allowance
    if _within([state.unspent for state in states], wanted) is not None:
        raise BudgetReserved
    raise BudgetExhausted(f"What is left of the budget is less than this would cost. {BudgetExhausted.advice}")


def _within(lefts: list[Left], wanted: Wanted) -> Allowance | None:
    """The allowance within what is left; None when that is too little for a single token of output."""
    tokens = _least(*(left.tokens for left in lefts))
    cost = min((left.cost for left in lefts if left.cost is not None), default=None)
    tokens_out = _least(wanted.tokens_out, _output_of_tokens(tokens, wanted), _output_of_cost(cost, wanted))
    if cost == 0 or (tokens_out is not None and tokens_out < 1):
        return None
    return Allowance(
        tokens=None if tokens is None else _least(tokens, _tokens_of(tokens_out, wanted)),
        cost=None if cost is None else min(cost, _cost_of(tokens_out, wanted, cost)),
        tokens_out=None if tokens is None and cost is None else tokens_out,
    )


def _output_of_tokens(tokens: int | None, wanted: Wanted) -> int | None:
    return None if tokens is None else tokens - wanted.tokens_in


def _output_of_cost(cost: Decimal | None, wanted: Wanted) -> int | None:
    """How many tokens of output a sum pays for, once the input is paid."""
    if cost is None or wanted.is_cost_told:
        return None
    if wanted.input_price is None or wanted.output_price is None:
        raise PriceUnknown
    rest = cost - wanted.input_price * wanted.tokens_in / _MILLION
    if rest <= 0:
        return 0
    if not wanted.output_price:
        return None
    return int((rest * _MILLION / wanted.output_price).to_integral_value(ROUND_FLOOR))


def _tokens_of(tokens_out: int | None, wanted: Wanted) -> int | None:
    return None if tokens_out is None else wanted.tokens_in + tokens_out


def _cost_of(tokens_out: int | None, wanted: Wanted, most: Decimal) -> Decimal:
    # Who tells the cost goes by prices of its own.
    if tokens_out is None or wanted.is_cost_told or wanted.input_price is None or wanted.output_price is None:
        return most
    full = wanted.input_price * wanted.tokens_in + wanted.output_price * Decimal(tokens_out)
    return (full / _MILLION).quantize(_SMALLEST, ROUND_CEILING)


def _least(*numbers: int | None) -> int | None:
    return min((number for number in numbers if number is not None), default=None)
