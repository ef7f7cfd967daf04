"""What attempts reserve and spend, and what the budgets say to it."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from accounts.models import User
from tasks import events, lifecycle
from tasks.claims import Claim
from tasks.clock import database_now
from tasks.models import Agent, AttemptSpending, Budget, BudgetScope, Spending, Task
from tasks.spending import budgets
from tasks.spending.allowance import Wanted
from tasks.spending.budgets import Amount, BudgetExhausted, BudgetReserved
from tasks.spending.usage import Usage
from tasks.states import Status
from tasks.sweep import sweep
from tests.makers import claim_next, make_agent, make_running, make_task, make_user

pytestmark = pytest.mark.django_db
SMALL = Wanted(tokens_in=10, tokens_out=90)


@pytest.fixture
def agent(owner: User) -> Agent:
    return make_agent(owner, concurrency_limit=100)


def make_budget(agent: Agent, scope: str = BudgetScope.MONTH, tokens: int | None = 1000, **fields: Any) -> Budget:
    return Budget.objects.create(owner=agent.owner, agent=agent, scope=scope, token_limit=tokens, **fields)


def begin(agent: Agent, wanted: Wanted = SMALL) -> tuple[Task, Claim]:
    task, claim = make_running(agent)
    lifecycle.reserve(claim=claim, wanted=wanted)
    return task, claim


def state_of(budget: Budget) -> budgets.State:
    return budgets.states_of_owner(budget.owner_id, database_now(), [budget])[0]


def told(tokens: int, cost: str | None = None) -> Usage:
    return Usage(tokens_in=0, tokens_out=tokens, cost=None if cost is None else Decimal(cost))


def warnings_of(task: Task) -> int:
    return task.events.filter(kind=events.BUDGET_WARNING).count()


# --- Reserving ----------------------------------------------------------------------------------------------


def test_a_reservation_is_kept_until_the_attempt_ends(agent: Agent) -> None:
    budget = make_budget(agent)
    _, claim = begin(agent)
    assert (state_of(budget).spent.tokens, state_of(budget).reserved.tokens) == (0, 100)
    lifecycle.complete(claim=claim, result="", usage=Usage(tokens_in=8, tokens_out=20))
    assert (state_of(budget).spent.tokens, state_of(budget).reserved.tokens) == (28, 0)


def test_what_is_told_on_the_way_is_spent_and_not_reserved_any_more(agent: Agent) -> None:
    budget = make_budget(agent)
    _, claim = begin(agent)
    lifecycle.note_usage(claim=claim, usage=told(40))
    state = state_of(budget)
    assert (state.spent.tokens, state.reserved.tokens, state.left.tokens) == (40, 60, 900)


def test_whoever_spends_more_than_reserved_is_counted_in_full(agent: Agent) -> None:
    budget = make_budget(agent)
    _, claim = begin(agent)
    lifecycle.note_usage(claim=claim, usage=told(150))
    assert (state_of(budget).spent.tokens, state_of(budget).reserved.tokens) == (150, 0)


def test_a_second_attempt_gets_what_the_first_has_left(agent: Agent) -> None:
    make_budget(agent, tokens=150)
    begin(agent)
    _, claim = make_running(agent)
    assert lifecycle.reserve(claim=claim, wanted=SMALL).tokens == 50


def test_what_others_have_reserved_is_no_reason_to_fail(agent: Agent) -> None:
    make_budget(agent, tokens=100)
    begin(agent, Wanted(tokens_in=10))
    _, claim = make_running(agent)
    with pytest.raises(BudgetReserved):
        lifecycle.reserve(claim=claim, wanted=SMALL)
    assert make_task(agent).state == Status.READY


def test_reserving_again_replaces_the_first_reservation(agent: Agent) -> None:
    budget = make_budget(agent)
    _, claim = begin(agent)
    lifecycle.note_usage(claim=claim, usage=told(50))
    lifecycle.reserve(claim=claim, wanted=Wanted(tokens_in=100, tokens_out=200))
    assert (state_of(budget).spent.tokens, state_of(budget).reserved.tokens) == (50, 250)
    assert Spending.objects.get().tokens_reserved == 300


def test_a_budget_of_one_attempt_limits_each(agent: Agent) -> None:
    make_budget(agent, BudgetScope.ATTEMPT, tokens=50)
    _, first = make_running(agent)
    assert lifecycle.reserve(claim=first, wanted=SMALL).tokens == 50
    lifecycle.complete(claim=first, result="", usage=told(50))
    _, second = make_running(agent)
    assert lifecycle.reserve(claim=second, wanted=SMALL).tokens == 50


def test_a_budget_of_one_task_counts_all_its_attempts(agent: Agent) -> None:
    make_budget(agent, BudgetScope.TASK, tokens=120)
    _, first = begin(agent)
    lifecycle.give_back(claim=first, reason="stopped")
    task = claim_next(agent.queue)
    lifecycle.reserve(claim=Claim.of(task), wanted=SMALL)
    lifecycle.fail(claim=Claim.of(task), code="went_silent", usage=told(100))
    Task.objects.filter(pk=task.pk).update(not_before_at=None)
    third = claim_next(agent.queue)
    assert lifecycle.reserve(claim=Claim.of(third), wanted=SMALL).tokens == 20


def test_the_budget_of_all_agents_counts_all_of_them(agent: Agent, owner: User) -> None:
    Budget.objects.create(owner=owner, agent=None, scope=BudgetScope.MONTH, token_limit=100)
    begin(agent, Wanted(tokens_in=10, tokens_out=50))
    other = make_agent(owner)
    _, claim = make_running(other)
    assert lifecycle.reserve(claim=claim, wanted=SMALL).tokens == 40


def test_budgets_of_others_do_not_count(agent: Agent) -> None:
    make_budget(make_agent(agent.owner), tokens=1)
    Budget.objects.create(owner=make_user(), agent=None, scope=BudgetScope.TOTAL, token_limit=1)
    _, claim = make_running(agent)
    assert lifecycle.reserve(claim=claim, wanted=SMALL).tokens is None


def test_the_operators_budget_holds_beside_ones_own(agent: Agent) -> None:
    make_budget(agent, tokens=1000)
    make_budget(agent, tokens=60, is_by_operator=True)
    _, claim = make_running(agent)
    assert lifecycle.reserve(claim=claim, wanted=SMALL).tokens == 60


def test_last_months_spending_counts_for_ever_but_not_this_month(agent: Agent) -> None:
    month, total = make_budget(agent), make_budget(agent, BudgetScope.TOTAL)
    earlier = budgets.month_of(database_now()) - timedelta(days=1)
    Spending.objects.create(owner=agent.owner, agent=agent, month=earlier.replace(day=1), tokens=7)
    assert (state_of(month).spent.tokens, state_of(total).spent.tokens) == (0, 7)


# --- Refusing -----------------------------------------------------------------------------------------------


def spend(agent: Agent, tokens: int, cost: str | None = None) -> None:
    _, claim = begin(agent)
    lifecycle.complete(claim=claim, result="", usage=told(tokens, cost))


@pytest.mark.parametrize("scope", [BudgetScope.MONTH, BudgetScope.TOTAL])
def test_nothing_comes_in_when_all_is_spent(agent: Agent, scope: str) -> None:
    make_budget(agent, scope, tokens=100)
    spend(agent, 99)
    assert spend_some(agent, 1).state == Status.RUNNING
    with pytest.raises(BudgetExhausted):
        make_task(agent)


def test_nothing_is_retried_when_all_is_spent(agent: Agent) -> None:
    make_budget(agent, tokens=100)
    task = lifecycle.cancel(actor=agent.owner, task=make_task(agent))
    spend(agent, 100)
    with pytest.raises(BudgetExhausted):
        lifecycle.retry(actor=agent.owner, task=task)


def test_another_agent_goes_on(agent: Agent) -> None:
    make_budget(agent, tokens=100)
    spend(agent, 100)
    assert make_task(make_agent(agent.owner)).state == Status.READY


def test_money_counts_like_tokens(agent: Agent) -> None:
    make_budget(agent, tokens=None, cost_limit=Decimal("0.5"))
    spend_money(agent, "0.5")
    with pytest.raises(BudgetExhausted):
        make_task(agent)


def spend_money(agent: Agent, cost: str) -> None:
    _, claim = begin(agent, Wanted(tokens_in=1, is_cost_told=True))
    lifecycle.complete(claim=claim, result="", usage=told(1, cost))


def test_a_task_that_waited_fails_when_all_is_spent(agent: Agent) -> None:
    make_budget(agent, tokens=100)
    make_task(agent)
    waiting = claim_next(agent.queue)
    spend(agent, 100)
    with pytest.raises(BudgetExhausted):
        lifecycle.reserve(claim=Claim.of(waiting), wanted=SMALL)


# --- Counting -----------------------------------------------------------------------------------------------


def end_by_cancel(task: Task, claim: Claim) -> None:
    lifecycle.cancel(actor=None, task=task)


def end_by_failure(task: Task, claim: Claim) -> None:
    lifecycle.fail(claim=claim, code="content_refused")


def end_by_trying_again(task: Task, claim: Claim) -> None:
    lifecycle.fail(claim=claim, code="went_silent")


def end_by_hold(task: Task, claim: Claim) -> None:
    lifecycle.fail(claim=claim, code="rate_limited")


def end_by_returning(task: Task, claim: Claim) -> None:
    lifecycle.give_back(claim=claim, reason="stopped")


def end_by_loss(task: Task, claim: Claim) -> None:
    Task.objects.filter(pk=task.pk).update(lease_expires_at=database_now() - timedelta(seconds=1))
    sweep()


def end_by_deadline(task: Task, claim: Claim) -> None:
    Task.objects.filter(pk=task.pk).update(deadline_at=database_now() - timedelta(hours=1))
    sweep()


def end_by_sql(task: Task, claim: Claim) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE tasks SET status = 1 WHERE id = %s", [task.pk])
    sweep()


def end_by_sql_that_makes_it_ready(task: Task, claim: Claim) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE tasks SET status = 0 WHERE id = %s", [task.pk])
    sweep()


ENDS = [
    end_by_cancel, end_by_failure, end_by_trying_again, end_by_hold, end_by_returning, end_by_loss, end_by_deadline,
    end_by_sql, end_by_sql_that_makes_it_ready,
]  # fmt: skip


@pytest.mark.parametrize("end", ENDS)
def test_however_an_attempt_ends_what_it_told_is_counted_and_nothing_stays_reserved(agent: Agent, end: Any) -> None:
    task, claim = begin(agent)
    lifecycle.note_usage(claim=claim, usage=Usage(tokens_in=5, tokens_out=7, cost=Decimal("0.25")))
    end(task, claim)
    spending = Spending.objects.get()
    assert (spending.tokens, spending.cost) == (12, Decimal("0.25"))
    assert (spending.tokens_reserved, spending.cost_reserved) == (0, Decimal(0))
    assert AttemptSpending.objects.get(attempt=1).settled_at is not None


def test_what_a_failed_attempt_consumed_is_counted_with_the_next(agent: Agent) -> None:
    task, claim = begin(agent)
    lifecycle.fail(claim=claim, code="went_silent", usage=told(30, "0.1"))
    Task.objects.filter(pk=task.pk).update(not_before_at=None)
    again = claim_next(agent.queue)
    done = lifecycle.complete(claim=Claim.of(again), result="", usage=told(12, "0.2"))
    assert (done.tokens_out, done.cost) == (42, Decimal("0.3"))
    assert Spending.objects.get().tokens == 42


def test_the_last_word_about_an_attempt_counts(agent: Agent) -> None:
    _, claim = begin(agent)
    lifecycle.note_usage(claim=claim, usage=told(30))
    lifecycle.complete(claim=claim, result="", usage=told(20))
    assert Spending.objects.get().tokens == 20


def test_an_attempt_is_charged_once(agent: Agent) -> None:
    task, claim = begin(agent)
    lifecycle.complete(claim=claim, result="", usage=told(20))
    sweep()
    lifecycle.archive(actor=agent.owner, task=task)
    assert Spending.objects.get().tokens == 20


@pytest.mark.parametrize(
    "usage",
    [
        Usage(tokens_in=10**30, tokens_out=10**30, cost=Decimal("1e40")),
        Usage(tokens_in=-5, tokens_out=-1, cost=Decimal(-1)),
        Usage(tokens_in=1, cost=Decimal("NaN")),
        Usage(tokens_in=1, cost=Decimal("Infinity")),
    ],
)
def test_no_figure_that_a_program_tells_keeps_its_attempt_from_ending(agent: Agent, usage: Usage) -> None:
    for _ in range(3):
        _, claim = begin(agent)
        assert lifecycle.complete(claim=claim, result="", usage=usage).state == Status.COMPLETE
    spending = Spending.objects.get()
    assert spending.tokens >= 0
    assert spending.cost >= 0


def test_attempts_of_an_agent_that_consumes_nothing_leave_no_entry(agent: Agent) -> None:
    _, claim = make_running(agent)
    lifecycle.complete(claim=claim, result="")
    assert not AttemptSpending.objects.exists()


# --- Warning ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", BudgetScope.values)
def test_one_warning_at_four_fifths(agent: Agent, scope: str) -> None:
    make_budget(agent, scope, tokens=100)
    task, claim = begin(agent)
    lifecycle.note_usage(claim=claim, usage=told(79))
    assert warnings_of(task) == 0
    lifecycle.note_usage(claim=claim, usage=told(80))
    lifecycle.note_usage(claim=claim, usage=told(90))
    lifecycle.complete(claim=claim, result="", usage=told(95))
    assert warnings_of(task) == 1
    data = task.events.get(kind=events.BUDGET_WARNING).data
    assert (data["scope"], data["tokens"], data["token_limit"]) == (scope, 80, 100)
    assert data["sentence"].endswith("is 80 % used up.")


def test_a_reservation_alone_is_no_reason_to_warn(agent: Agent) -> None:
    make_budget(agent, tokens=100)
    task, claim = begin(agent, Wanted(tokens_in=10))
    lifecycle.note_usage(claim=claim, usage=told(1))
    assert warnings_of(task) == 0


def test_each_budget_warns_for_itself(agent: Agent) -> None:
    for scope in BudgetScope.values:
        make_budget(agent, scope, tokens=100)
    make_budget(agent, tokens=100, is_by_operator=True)
    task, claim = begin(agent)
    lifecycle.complete(claim=claim, result="", usage=told(85))
    assert warnings_of(task) == 5


def test_a_month_warns_once_and_the_next_month_again(agent: Agent) -> None:
    budget = make_budget(agent, tokens=1000)
    first, second, third = (spend_some(agent, tokens) for tokens in (850, 10, 10))
    assert (warnings_of(first), warnings_of(second), warnings_of(third)) == (1, 0, 0)
    Budget.objects.filter(pk=budget.pk).update(warned_for="2020-01")
    assert warnings_of(spend_some(agent, 1)) == 1


def spend_some(agent: Agent, tokens: int) -> Task:
    task, claim = begin(agent, Wanted(tokens_in=0, tokens_out=1))
    lifecycle.complete(claim=claim, result="", usage=told(tokens))
    return task


def test_an_attempts_budget_warns_for_each_attempt_and_a_tasks_once(agent: Agent) -> None:
    make_budget(agent, BudgetScope.ATTEMPT, tokens=100)
    make_budget(agent, BudgetScope.TASK, tokens=200)
    task, claim = begin(agent)
    lifecycle.fail(claim=claim, code="went_silent", usage=told(90))
    Task.objects.filter(pk=task.pk).update(not_before_at=None)
    again = Claim.of(claim_next(agent.queue))
    lifecycle.reserve(claim=again, wanted=SMALL)
    lifecycle.complete(claim=again, result="", usage=told(90))
    scopes = task.events.filter(kind=events.BUDGET_WARNING).order_by("id").values_list("data__scope", flat=True)
    assert sorted(scopes) == ["attempt", "attempt", "task"]


# --- Words --------------------------------------------------------------------------------------------------


def test_a_share_is_the_larger_one_of_tokens_and_money() -> None:
    budget = Budget(token_limit=100, cost_limit=Decimal(10))
    assert budgets.State(budget=budget, spent=Amount(tokens=10, cost=Decimal(5))).share == Decimal("0.5")
    assert budgets.State(budget=budget, spent=Amount(tokens=70, cost=Decimal(5))).share == Decimal("0.7")


def test_what_is_left_is_never_below_nothing() -> None:
    state = budgets.State(budget=Budget(token_limit=5), spent=Amount(tokens=9))
    assert (state.left.tokens, state.left.cost) == (0, None)


@pytest.mark.parametrize(
    ("scope", "has_agent", "is_by_operator", "words"),
    [
        ("month", True, False, "This month's budget of this agent"),
        ("total", False, False, "The total budget for all agents together"),
        ("task", False, True, "The budget for one task for all agents together, set by the operators,"),
        ("attempt", True, False, "The budget for one attempt of this agent"),
    ],
)
def test_a_budget_in_words(scope: str, has_agent: bool, is_by_operator: bool, words: str) -> None:  # noqa: FBT001
    budget = Budget(scope=scope, agent_id=1 if has_agent else None, is_by_operator=is_by_operator)
    assert budgets.in_words(budget) == words
