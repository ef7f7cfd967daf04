"""What one attempt may spend never exceeds what any budget has left."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.models import Budget
from tasks.spending.allowance import Allowance, PriceUnknown, Wanted, allow
from tasks.spending.budgets import NOTHING, Amount, BudgetExhausted, BudgetReserved, State
from tasks.spending.usage import Usage

MILLION = Decimal(1_000_000)
TOKENS = st.integers(1, 10**9)
MONEY = st.decimals(Decimal("0.000001"), Decimal(1000), places=6)
PRICE = st.decimals(Decimal(0), Decimal(200), places=4)


def state(
    tokens: int | None = None, cost: str | Decimal | None = None, spent: Amount = NOTHING, reserved: Amount = NOTHING
) -> State:
    limit = None if cost is None else Decimal(cost)
    return State(budget=Budget(scope="month", token_limit=tokens, cost_limit=limit), spent=spent, reserved=reserved)


AMOUNTS = st.builds(Amount, tokens=st.integers(0, 10**9), cost=MONEY)
STATES = st.lists(
    st.builds(state, st.none() | TOKENS, st.none() | MONEY, AMOUNTS | st.just(NOTHING), AMOUNTS | st.just(NOTHING)),
    max_size=5,
)
WANTED = st.builds(
    Wanted,
    tokens_in=st.integers(0, 10**6),
    tokens_out=st.none() | st.integers(1, 10**6),
    input_price=PRICE,
    output_price=PRICE,
    is_cost_told=st.booleans(),
)


@given(STATES, WANTED)
def test_no_budget_is_ever_exceeded(states: list[State], wanted: Wanted) -> None:
    try:
        allowance = allow(states, wanted)
    except (BudgetExhausted, BudgetReserved):
        return
    for each in states:
        if each.left.tokens is not None:
            assert allowance.tokens is not None
            assert 0 < allowance.tokens <= each.left.tokens
        if each.left.cost is not None:
            assert allowance.cost is not None
            assert 0 <= allowance.cost <= each.left.cost
    if allowance.tokens_out is not None:
        assert allowance.tokens_out >= 1


@given(STATES, WANTED)
def test_an_answer_of_the_allowed_length_is_never_stopped(states: list[State], wanted: Wanted) -> None:
    try:
        allowance = allow(states, wanted)
    except (BudgetExhausted, BudgetReserved):
        return
    if allowance.tokens_out is None or wanted.is_cost_told:
        return
    assert wanted.input_price is not None
    assert wanted.output_price is not None
    cost = (wanted.input_price * wanted.tokens_in + wanted.output_price * allowance.tokens_out) / MILLION
    full = Usage(tokens_in=wanted.tokens_in, tokens_out=allowance.tokens_out, cost=cost)
    assert not allowance.is_used_up_by(full)


@given(STATES, WANTED)
def test_it_is_reserved_only_when_less_reserved_would_do(states: list[State], wanted: Wanted) -> None:
    unreserved = [State(budget=each.budget, spent=each.spent) for each in states]
    try:
        allow(states, wanted)
    except BudgetReserved:
        allow(unreserved, wanted)
    except BudgetExhausted:
        with pytest.raises(BudgetExhausted):
            allow(unreserved, wanted)


def test_without_a_budget_nothing_is_limited() -> None:
    assert allow([], Wanted(tokens_in=5, tokens_out=100)) == Allowance()


def test_only_what_may_be_needed_is_reserved() -> None:
    allowed = allow([state(tokens=10_000)], Wanted(tokens_in=50, tokens_out=100))
    assert allowed == Allowance(tokens=150, cost=None, tokens_out=100)


def test_an_answer_of_unknown_length_may_have_all_that_is_left() -> None:
    assert allow([state(tokens=1000)], Wanted(tokens_in=50)) == Allowance(tokens=1000, tokens_out=950)


def test_money_shortens_the_answer() -> None:
    wanted = Wanted(tokens_in=1000, tokens_out=4000, input_price=Decimal(1), output_price=Decimal(10))
    allowed = allow([state(cost="0.011")], wanted)
    assert allowed == Allowance(tokens=None, cost=Decimal("0.011"), tokens_out=1000)


def test_the_narrowest_of_several_budgets_counts() -> None:
    several = [state(tokens=900), state(tokens=300), state(tokens=500, spent=Amount(tokens=100))]
    assert allow(several, Wanted(tokens_in=50, tokens_out=1000)).tokens == 300


def test_a_question_that_would_use_up_everything_is_not_begun() -> None:
    with pytest.raises(BudgetExhausted):
        allow([state(tokens=100)], Wanted(tokens_in=100, tokens_out=5))


def test_a_question_that_costs_more_than_is_left_is_not_begun() -> None:
    wanted = Wanted(tokens_in=10**6, tokens_out=5, input_price=Decimal(3), output_price=Decimal(3))
    with pytest.raises(BudgetExhausted):
        allow([state(cost="2.9")], wanted)


def test_a_spent_budget_is_named() -> None:
    with pytest.raises(BudgetExhausted) as caught:
        allow([state(tokens=100, spent=Amount(tokens=100))], Wanted())
    assert caught.value.detail.startswith("This month's budget for all agents together is used up. Raise")


def test_nobody_spends_money_at_an_unknown_price() -> None:
    with pytest.raises(PriceUnknown):
        allow([state(cost="5")], Wanted(tokens_out=10))


def test_tokens_alone_need_no_price() -> None:
    assert allow([state(tokens=100)], Wanted(tokens_out=10)).tokens == 10


def test_who_tells_the_cost_needs_no_price_and_may_have_all_that_is_left() -> None:
    wanted = Wanted(tokens_in=1, tokens_out=10, is_cost_told=True)
    assert allow([state(tokens=100, cost="5")], wanted) == Allowance(tokens=11, cost=Decimal(5), tokens_out=10)


def test_what_costs_nothing_is_limited_by_tokens_only() -> None:
    free = Wanted(tokens_in=5, tokens_out=10, input_price=Decimal(0), output_price=Decimal(0))
    assert allow([state(cost="0.000001")], free) == Allowance(cost=Decimal(0), tokens_out=10)


@pytest.mark.parametrize(
    ("usage", "is_used_up"),
    [
        (Usage(tokens_in=50, tokens_out=50), False),
        (Usage(tokens_in=50, tokens_out=51), True),
        (Usage(cost=Decimal(1)), False),
        (Usage(cost=Decimal("1.000001")), True),
        (Usage(), False),
    ],
)
def test_an_attempt_stops_beyond_its_allowance(usage: Usage, is_used_up: bool) -> None:  # noqa: FBT001
    assert Allowance(tokens=100, cost=Decimal(1)).is_used_up_by(usage) is is_used_up


def test_nothing_uses_up_an_allowance_without_limits() -> None:
    assert not Allowance().is_used_up_by(Usage(tokens_out=10**9, cost=Decimal(10**6)))
