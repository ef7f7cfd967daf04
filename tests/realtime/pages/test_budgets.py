"""Budgets by forms, and what was spent."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pytest_django import Settings

from accounts.models import User
from tasks import lifecycle
from tasks.clock import database_now
from tasks.models import Agent, Budget, Spending
from tasks.spending import budget_changes
from tasks.spending.budgets import month_of
from tasks.spending.usage import Usage
from tests.accounts.clients import SecureClient
from tests.makers import make_agent, make_running
from tests.realtime.pages.reading import text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def form() -> dict[str, str]:
    return {"agent": "", "scope": "month", "token_limit": "1000", "cost_limit": ""}


@pytest.fixture
def budget(alice: User) -> Budget:
    return budget_changes.create(
        actor=alice, owner=alice, agent=None, scope="month", token_limit=1_000, cost_limit=Decimal(5)
    )


def spend(agent: Agent, *, tokens: int, cost: str, month: date | None = None) -> None:
    Spending.objects.create(
        owner=agent.owner,
        agent=agent,
        month=month or month_of(database_now()),
        tokens=tokens,
        cost=Decimal(cost),
    )


class TestNew:
    def test_is_made_of_the_forms_values(
        self, page: SecureClient, alice: User, agent: Agent, form: dict[str, str]
    ) -> None:
        sent = form | {"agent": str(agent.uuid), "cost_limit": "2.5"}
        answer = page.post("/budgets/new", sent)
        assert (answer.status_code, answer["Location"]) == (302, "/budgets")
        made = Budget.objects.get()
        assert (made.owner, made.agent, made.scope, made.token_limit) == (alice, agent, "month", 1_000)
        assert (made.cost_limit, made.is_by_operator) == (Decimal("2.5"), False)

    def test_of_an_operator_is_the_operators_own(
        self, operators_page: SecureClient, operator: User, form: dict[str, str]
    ) -> None:
        operators_page.post("/budgets/new", form)
        assert Budget.objects.get().owner == operator

    @pytest.mark.parametrize(
        ("changed", "reason"),
        [
            ({"token_limit": ""}, "Limit tokens, cost or both."),
            ({"token_limit": "0"}, "greater than or equal to 1"),
            ({"token_limit": "9" * 5_000}, "Enter a whole number."),
            ({"cost_limit": "-1"}, "greater than or equal to"),
            ({"cost_limit": "NaN"}, "Enter a number."),
            ({"cost_limit": "1e30"}, "no more than"),
            ({"scope": ""}, "This field is required."),
            ({"scope": "week"}, "Select a valid choice."),
            ({"agent": "x"}, "is not a valid UUID"),
        ],
    )
    def test_bad_value_is_named_and_nothing_written(
        self, page: SecureClient, form: dict[str, str], changed: dict[str, str], reason: str
    ) -> None:
        answer = page.post("/budgets/new", form | changed)
        assert answer.status_code == 400
        assert reason in text_of(answer)
        assert not Budget.objects.exists()

    def test_cannot_be_for_somebody_elses_agent(self, page: SecureClient, bob: User, form: dict[str, str]) -> None:
        foreign = make_agent(bob, name="bobs-own")
        assert "bobs-own" not in text_of(page.get("/budgets/new"))
        assert page.post("/budgets/new", form | {"agent": str(foreign.uuid)}).status_code == 400
        assert page.get(f"/budgets/new?agent={foreign.uuid}").status_code == 403

    def test_second_one_for_the_same_is_refused(self, page: SecureClient, budget: Budget, form: dict[str, str]) -> None:
        answer = page.post("/budgets/new", form)
        assert answer.status_code == 409
        assert "There is a budget like this already." in text_of(answer)

    def test_too_many_changes_are_refused(self, page: SecureClient, form: dict[str, str], settings: Settings) -> None:
        settings.PERSONALQ_RATE_AGENT_CHANGE = "1/h"
        page.post("/budgets/new", form)
        assert page.post("/budgets/new", form | {"scope": "total"}).status_code == 429


class TestList:
    def test_shows_how_much_is_gone(self, page: SecureClient, agent: Agent, budget: Budget) -> None:
        spend(agent, tokens=850, cost="1.25")
        answer = page.get("/budgets")
        shown = text_of(answer)
        assert "All agents together" in shown
        assert "850 tokens of 1,000 spent 85 %" in shown
        assert "$1.25 of $5.00 spent 25 %" in shown
        assert "$3.75 left" in shown
        assert "gauge-near" in answer.content.decode()

    def test_says_when_all_is_gone(self, page: SecureClient, agent: Agent, budget: Budget) -> None:
        spend(agent, tokens=1_000, cost="0")
        assert "no task starts until the budget is raised or the next month begins" in text_of(page.get("/budgets"))

    def test_tells_what_running_attempts_reserve(self, page: SecureClient, agent: Agent, budget: Budget) -> None:
        _, claim = make_running(agent)
        lifecycle.note_usage(claim=claim, usage=Usage(tokens_in=100, tokens_out=20))
        assert "120 tokens of 1,000 spent" in text_of(page.get("/budgets"))

    def test_names_what_holds_for_each_task(self, page: SecureClient, alice: User, agent: Agent) -> None:
        budget_changes.create(actor=alice, owner=alice, agent=agent, scope="task", cost_limit=Decimal("0.5"))
        assert "$0.50 for each task, with all its attempts" in text_of(page.get("/budgets"))

    def test_has_the_spending_of_each_agent_and_month(self, page: SecureClient, alice: User, agent: Agent) -> None:
        spend(agent, tokens=1_500, cost="0.004", month=date(2026, 3, 1))
        spend(make_agent(alice, name="poet"), tokens=500, cost="2", month=date(2026, 3, 1))
        shown = text_of(page.get("/budgets"))
        assert "March 2026 2,000 $2.00" in shown
        assert "poet 500 $2.00 scribe 1,500 $0.004" in shown

    def test_shows_nothing_of_others(self, strange_page: SecureClient, agent: Agent, budget: Budget) -> None:
        spend(agent, tokens=1_500, cost="3")
        shown = text_of(strange_page.get("/budgets"))
        assert "Nothing limits what your agents spend." in shown
        assert "scribe" not in shown

    @pytest.mark.parametrize("query", ["before=x", "month=1"])
    def test_bad_query_is_refused(self, page: SecureClient, query: str) -> None:
        assert page.get(f"/budgets?{query}").status_code == 400


class TestChange:
    def test_is_saved(self, page: SecureClient, budget: Budget) -> None:
        answer = page.post(f"/budgets/{budget.uuid}", {"token_limit": "", "cost_limit": "7"})
        budget.refresh_from_db()
        assert (answer.status_code, budget.token_limit, budget.cost_limit) == (302, None, Decimal(7))

    def test_that_limits_nothing_is_refused(self, page: SecureClient, budget: Budget) -> None:
        answer = page.post(f"/budgets/{budget.uuid}", {"token_limit": "", "cost_limit": ""})
        assert answer.status_code == 400
        assert "Limit tokens, cost or both." in text_of(answer)

    def test_asks_before_it_deletes(self, page: SecureClient, budget: Budget) -> None:
        assert "Delete this budget?" in text_of(page.get(f"/budgets/{budget.uuid}/delete"))
        assert page.post(f"/budgets/{budget.uuid}/delete").status_code == 302
        assert not Budget.objects.exists()

    def test_of_what_operators_set_is_theirs(self, page: SecureClient, operator: User, alice: User) -> None:
        theirs = budget_changes.create(
            actor=operator, owner=alice, agent=None, scope="month", token_limit=10, is_by_operator=True
        )
        shown = text_of(page.get(f"/budgets/{theirs.uuid}"))
        assert "The operators have set this budget." in shown
        assert "set by the operators" in text_of(page.get("/budgets"))
        assert page.post(f"/budgets/{theirs.uuid}", {"token_limit": "99"}).status_code == 403
        assert page.post(f"/budgets/{theirs.uuid}/delete").status_code == 403

    def test_by_strangers_is_refused(self, strange_page: SecureClient, budget: Budget) -> None:
        for address in (f"/budgets/{budget.uuid}", f"/budgets/{budget.uuid}/delete"):
            assert strange_page.get(address).status_code == 403
            assert strange_page.post(address, {"token_limit": "99"}).status_code == 403
        assert Budget.objects.get().token_limit == 1_000


def test_exhausted_budget_is_told_on_the_form_of_a_task(page: SecureClient, agent: Agent, budget: Budget) -> None:
    spend(agent, tokens=1_000, cost="0")
    sent: dict[str, Any] = {"agent": str(agent.uuid), "prompt": "One more", "title": "", "order": ""}
    answer = page.post("/tasks/new", sent)
    assert answer.status_code == 402
    assert "The budget is used up." in text_of(answer)
    assert "/budgets" in answer.content.decode()
    assert "One more" in answer.content.decode()


def test_overview_tells_what_was_spent(page: SecureClient, agent: Agent) -> None:
    assert "spent this month" not in text_of(page.get("/"))
    spend(agent, tokens=1_000, cost="1.5")
    assert "$1.50 spent this month" in text_of(page.get("/"))
