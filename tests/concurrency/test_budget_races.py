"""However many reserve at once, what they may spend together is never more than the budget."""

from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db.models import Sum

from tasks import lifecycle
from tasks.claims import Claim
from tasks.models import Agent, AttemptSpending, Budget, Spending, Task
from tasks.spending import budget_changes
from tasks.spending.allowance import Allowance, Wanted
from tasks.spending.budgets import BudgetReserved
from tasks.spending.usage import Usage
from tasks.sweep import sweep
from tests.concurrency.racing import failures, race
from tests.makers import make_agent, make_queue, make_task, make_user

pytestmark = pytest.mark.django_db(transaction=True)
THREADS = 30
ROUNDS = 4
WANTED = Wanted(tokens_in=50, tokens_out=50, input_price=Decimal(10), output_price=Decimal(30))


def make_agents(count: int = 1) -> list[Agent]:
    owner = make_user()
    queue = make_queue(owner, concurrency_limit=1000)
    return [make_agent(owner, queue=queue, concurrency_limit=1000) for _ in range(count)]


def claim_all(agents: list[Agent], settings: Any) -> list[Claim]:
    settings.PERSONALQ_USER_RUNNING_LIMIT = 1000
    for number in range(THREADS):
        make_task(agents[number % len(agents)])
    return [Claim.of(task) for task in lifecycle.claim(queue_id=agents[0].queue_id, worker="w", limit=THREADS).tasks]


def reserve_all(claims: list[Claim], wanted: Wanted = WANTED) -> list[Allowance]:
    assert len(claims) == THREADS
    results = race(*[partial(lifecycle.reserve, claim=claim, wanted=wanted) for claim in claims])
    assert all(isinstance(error, BudgetReserved) for error in failures(results)), failures(results)
    return [each for each in results if isinstance(each, Allowance)]


def test_tokens_reserved_at_once_never_exceed_the_limit(settings: Any) -> None:
    for _ in range(ROUNDS):
        (agent,) = make_agents()
        Budget.objects.create(owner=agent.owner, agent=agent, scope="month", token_limit=1040)
        allowed = reserve_all(claim_all([agent], settings))
        # Ten get all they want, and what is left is less than the question of another one.
        assert [each.tokens for each in allowed] == [100] * 10
        assert Spending.objects.get(agent=agent).tokens_reserved == 1000


def test_money_reserved_at_once_never_exceeds_the_limit(settings: Any) -> None:
    for _ in range(ROUNDS):
        (agent,) = make_agents()
        Budget.objects.create(owner=agent.owner, agent=agent, scope="total", cost_limit=Decimal("0.0101"))
        allowed = reserve_all(claim_all([agent], settings))
        assert sum(each.cost or 0 for each in allowed) == Spending.objects.get(agent=agent).cost_reserved
        assert Spending.objects.get(agent=agent).cost_reserved <= Decimal("0.0101")
        assert len(allowed) >= 5


def test_a_budget_of_all_agents_holds_over_all_of_them(settings: Any) -> None:
    for _ in range(ROUNDS):
        agents = make_agents(3)
        Budget.objects.create(owner=agents[0].owner, agent=None, scope="month", token_limit=500)
        allowed = reserve_all(claim_all(agents, settings))
        reserved = Spending.objects.filter(agent__in=agents).aggregate(total=Sum("tokens_reserved"))["total"]
        assert (len(allowed), reserved) == (5, 500)


def test_reserving_noting_and_ending_at_once_leaves_exact_figures(settings: Any) -> None:
    for _ in range(ROUNDS):
        (agent,) = make_agents()
        Budget.objects.create(owner=agent.owner, agent=agent, scope="month", token_limit=100_000)
        claims = claim_all([agent], settings)
        for claim in claims[:20]:
            lifecycle.reserve(claim=claim, wanted=WANTED)
        ending = [
            partial(lifecycle.complete, claim=claim, result="", usage=Usage(tokens_out=7, cost=Decimal("0.001")))
            for claim in claims[:10]
        ]
        noting = [partial(lifecycle.note_usage, claim=claim, usage=Usage(tokens_out=5)) for claim in claims[10:20]]
        reserving = [partial(lifecycle.reserve, claim=claim, wanted=WANTED) for claim in claims[20:]]
        assert not failures(race(*ending, *noting, *reserving))
        spending = Spending.objects.get(agent=agent)
        assert (spending.tokens, spending.cost, spending.tokens_reserved) == (70, Decimal("0.01"), 2000)


def test_an_attempt_that_the_sweep_and_its_worker_settle_at_once_is_charged_once(settings: Any) -> None:
    for _ in range(ROUNDS):
        (agent,) = make_agents()
        claims = claim_all([agent], settings)[:1]
        lifecycle.reserve(claim=claims[0], wanted=WANTED)
        lifecycle.note_usage(claim=claims[0], usage=Usage(tokens_out=5))
        Task.objects.filter(pk=claims[0].task_id).update(
            status=6, lease_expires_at=None, finished_at="2030-01-01T00:00Z"
        )
        race(*[lifecycle.settle_forgotten] * 3, sweep)
        spending = Spending.objects.get(agent=agent)
        assert (spending.tokens, spending.tokens_reserved) == (5, 0)
        assert AttemptSpending.objects.get(spending=spending).settled_at is not None


def test_after_a_budget_was_narrowed_nothing_is_reserved_beyond_it(settings: Any) -> None:
    for _ in range(ROUNDS):
        (agent,) = make_agents()
        budget = Budget.objects.create(owner=agent.owner, agent=agent, scope="month", token_limit=100_000)
        claims = claim_all([agent], settings)
        narrow = partial(budget_changes.change, actor=agent.owner, budget=budget, token_limit=300)
        race(narrow, *[partial(lifecycle.reserve, claim=claim, wanted=WANTED) for claim in claims[:15]])
        before = Spending.objects.filter(agent=agent).aggregate(total=Sum("tokens_reserved"))["total"] or 0
        race(*[partial(lifecycle.reserve, claim=claim, wanted=WANTED) for claim in claims[15:]])
        after = Spending.objects.filter(agent=agent).aggregate(total=Sum("tokens_reserved"))["total"] or 0
        assert after <= max(before, 300)
