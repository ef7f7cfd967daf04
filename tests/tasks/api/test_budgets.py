"""Budgets and usage over the API."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import User
from tasks import lifecycle
from tasks.clock import database_now
from tasks.models import Agent, Budget, Spending, Task
from tasks.spending.allowance import Wanted
from tasks.spending.budgets import month_of
from tasks.spending.usage import Usage
from tests.makers import make_agent, make_running, make_task, make_user
from tests.tasks.api.client import Api, codes

pytestmark = pytest.mark.django_db


def spend(agent: Agent, tokens: int, cost: str = "0") -> None:
    _, claim = make_running(agent)
    lifecycle.reserve(claim=claim, wanted=Wanted(tokens_in=0, tokens_out=1, is_cost_told=True))
    lifecycle.complete(claim=claim, result="", usage=Usage(tokens_out=tokens, cost=Decimal(cost)))


def make(api: Api, **body: Any) -> Any:
    return api.post("budgets", {"scope": "month", "token_limit": 1000, **body})


def test_a_new_budget_is_described_in_full(as_alice: Api, agent: Agent) -> None:
    answer = make(as_alice, agent="scribe", cost_limit="12.5")
    body = answer.json()
    assert (answer.status_code, answer.headers["Location"]) == (201, body["url"])
    for name in ("uuid", "url", "created_at", "updated_at"):
        del body[name]
    assert body == {
        "agent": str(agent.uuid), "agent_name": "scribe", "scope": "month", "token_limit": 1000,
        "cost_limit": "12.500000", "is_by_operator": False, "period": f"{database_now():%Y-%m}",
        "spent": {"tokens": 0, "cost": "0.000000"}, "reserved": {"tokens": 0, "cost": "0.000000"},
        "remaining": {"tokens": 1000, "cost": "12.500000"}, "share": "0.0000", "owner": "alice",
    }  # fmt: skip


def test_a_budget_tells_what_is_spent_and_reserved(as_alice: Api, agent: Agent) -> None:
    budget = make(as_alice, agent=str(agent.uuid), cost_limit="2").json()
    spend(agent, 300, "1.5")
    _, claim = make_running(agent)
    lifecycle.reserve(claim=claim, wanted=Wanted(tokens_in=100, tokens_out=100, is_cost_told=True))
    lifecycle.note_usage(claim=claim, usage=Usage(tokens_out=50))
    body = as_alice.get(budget["url"]).json()
    assert body["spent"] == {"tokens": 350, "cost": "1.500000"}
    assert body["reserved"] == {"tokens": 150, "cost": "0.500000"}
    assert body["remaining"] == {"tokens": 500, "cost": "0.000000"}
    assert body["share"] == "0.7500"


def test_a_budget_without_agent_holds_for_all_together(as_alice: Api, agent: Agent, alice: User) -> None:
    budget = make(as_alice, agent=None, scope="total").json()
    spend(agent, 1)
    spend(make_agent(alice), 2)
    body = as_alice.get(budget["url"]).json()
    assert (body["agent"], body["period"], body["spent"]["tokens"]) == (None, "total", 3)


@pytest.mark.parametrize("scope", ["attempt", "task"])
def test_a_budget_of_single_tasks_has_no_figures(as_alice: Api, scope: str) -> None:
    body = make(as_alice, scope=scope).json()
    assert [body[name] for name in ("period", "spent", "reserved", "remaining", "share")] == [None] * 5


def test_a_second_budget_for_the_same_is_refused(as_alice: Api, agent: Agent) -> None:
    make(as_alice, agent="scribe")
    again = make(as_alice, agent="scribe")
    assert (again.status_code, again.json()["code"]) == (409, "budget_taken")
    assert make(as_alice, agent="scribe", scope="total").status_code == 201
    assert [make(as_alice).status_code for _ in range(2)] == [201, 409]


def test_limits_are_changed_and_lifted(as_alice: Api) -> None:
    url = make(as_alice).json()["url"]
    body = as_alice.patch(url, {"token_limit": None, "cost_limit": "0.000001"}).json()
    assert (body["token_limit"], body["cost_limit"]) == (None, "0.000001")
    answer = as_alice.patch(url, {"cost_limit": None})
    assert (answer.status_code, codes(answer)) == (400, {"token_limit": "required", "cost_limit": "required"})


def test_after_a_change_it_warns_anew(as_alice: Api) -> None:
    url = make(as_alice).json()["url"]
    Budget.objects.update(warned_for="2030-01")
    as_alice.patch(url, {"token_limit": 5000})
    assert Budget.objects.get().warned_for == ""


def test_a_deleted_budget_limits_no_more(as_alice: Api, agent: Agent) -> None:
    url = make(as_alice, token_limit=10).json()["url"]
    spend(agent, 10)
    assert as_alice.post("tasks", {"agent": "scribe", "prompt": "p"}).status_code == 402
    assert as_alice.delete(url).status_code == 204
    assert as_alice.get(url).status_code == 404
    assert as_alice.post("tasks", {"agent": "scribe", "prompt": "p"}).status_code == 201


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, {"scope": "required"}),
        ({"scope": "year", "token_limit": 1}, {"scope": "invalid_choice"}),
        ({"scope": "month"}, {"token_limit": "required", "cost_limit": "required"}),
        ({"scope": "month", "token_limit": 0}, {"token_limit": "min_value"}),
        ({"scope": "month", "token_limit": 10**15 + 1}, {"token_limit": "max_value"}),
        ({"scope": "month", "token_limit": "5"}, {"token_limit": "invalid"}),
        ({"scope": "month", "cost_limit": 5}, {"cost_limit": "invalid"}),
        ({"scope": "month", "cost_limit": "0.0"}, {"cost_limit": "min_value"}),
        ({"scope": "month", "cost_limit": "-1"}, {"cost_limit": "invalid"}),
        ({"scope": "month", "cost_limit": "1e5"}, {"cost_limit": "invalid"}),
        ({"scope": "month", "cost_limit": "NaN"}, {"cost_limit": "invalid"}),
        ({"scope": "month", "cost_limit": "١"}, {"cost_limit": "invalid"}),
        ({"scope": "month", "cost_limit": "1.0000001"}, {"cost_limit": "invalid"}),
        ({"scope": "month", "cost_limit": "100000000"}, {"cost_limit": "invalid"}),
        ({"scope": "month", "token_limit": 1, "agent": "nobody"}, {"agent": "not_found"}),
        ({"scope": "month", "token_limit": 1, "spent": 0}, {"spent": "unknown_field"}),
    ],
)
def test_wrong_bodies_are_refused(as_alice: Api, body: dict[str, Any], wrong: dict[str, str]) -> None:
    answer = as_alice.post("budgets", body)
    assert (answer.status_code, codes(answer)) == (400, wrong)


def test_scope_and_agent_cannot_be_changed(as_alice: Api) -> None:
    url = make(as_alice).json()["url"]
    assert codes(as_alice.patch(url, {"scope": "total"})) == {"scope": "unknown_field"}
    assert codes(as_alice.patch(url, {})) == {"": "empty"}


def test_a_stranger_neither_sees_nor_changes(as_alice: Api, as_bob: Api, agent: Agent) -> None:
    url = make(as_alice, agent="scribe").json()["url"]
    answers = [as_bob.get(url), as_bob.patch(url, {"token_limit": 1}), as_bob.delete(url)]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(403, "not_yours")] * 3
    assert make(as_bob, agent=str(agent.uuid)).status_code == 403
    assert as_bob.get("budgets").json()["results"] == []


# --- Of operators -----------------------------------------------------------------------------------------


@pytest.fixture
def theirs(as_operator: Api, agent: Agent) -> str:
    """The address of a budget that the operators have set for alice's agent."""
    return str(make(as_operator, owner="alice", agent="scribe", token_limit=10).json()["url"])


def test_operators_set_a_budget_for_a_user(as_operator: Api, theirs: str, agent: Agent) -> None:
    body = as_operator.get(theirs).json()
    assert (body["owner"], body["agent"], body["is_by_operator"]) == ("alice", str(agent.uuid), True)
    assert as_operator.patch(theirs, {"token_limit": 20}).json()["token_limit"] == 20
    assert as_operator.delete(theirs).status_code == 204


def test_the_user_sees_it_and_cannot_change_it(as_alice: Api, theirs: str) -> None:
    assert as_alice.get(theirs).json()["is_by_operator"] is True
    assert len(as_alice.get("budgets").json()["results"]) == 1
    for answer in (as_alice.patch(theirs, {"token_limit": 10**9}), as_alice.delete(theirs)):
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
        assert answer.json()["detail"] == "The operators have set this budget. Ask them to change it."
    assert Budget.objects.get().token_limit == 10


def test_the_user_may_have_a_budget_beside_it_and_the_narrower_one_holds(
    as_alice: Api, theirs: str, agent: Agent
) -> None:
    assert make(as_alice, agent="scribe", token_limit=10**6).status_code == 201
    spend(agent, 10)
    answer = as_alice.post("tasks", {"agent": "scribe", "prompt": "p"})
    assert (answer.status_code, answer.json()["code"]) == (402, "budget_exhausted")
    assert answer.json()["detail"].startswith("This month's budget of this agent, set by the operators, is used up.")


def test_users_cannot_set_budgets_for_others(as_alice: Api, bob: User) -> None:
    assert make(as_alice, owner="bob").status_code == 403
    assert make(as_alice, owner="alice").status_code == 403
    assert not Budget.objects.exists()


def test_operators_list_everybodys(as_alice: Api, as_operator: Api, as_bob: Api) -> None:
    make(as_alice)
    make(as_bob)
    owners = [row["owner"] for row in as_operator.get("budgets", owner="all").json()["results"]]
    assert owners == ["bob", "alice"]
    assert as_alice.get("budgets", owner="all").status_code == 403


def test_an_unknown_owner_is_named(as_operator: Api) -> None:
    assert codes(make(as_operator, owner="nobody")) == {"owner": "not_found"}


# --- 402 --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("tasks", {"agent": "scribe", "prompt": "p"}),
        ("tasks/batch", {"tasks": [{"agent": "rich", "prompt": "p"}, {"agent": "scribe", "prompt": "p"}]}),
    ],
)
def test_nothing_comes_in_when_all_is_spent(as_alice: Api, agent: Agent, path: str, body: Any) -> None:
    make_agent(agent.owner, name="rich")
    make(as_alice, agent="scribe", token_limit=10)
    spend(agent, 10)
    answer = as_alice.post(path, body)
    assert (answer.status_code, answer.json()["code"]) == (402, "budget_exhausted")
    assert "Raise the budget" in answer.json()["detail"]
    assert Task.objects.count() == 1


def test_nothing_is_retried_when_all_is_spent(as_alice: Api, agent: Agent) -> None:
    task = lifecycle.cancel(actor=agent.owner, task=make_task(agent))
    make(as_alice, token_limit=10)
    spend(agent, 10)
    assert as_alice.post(f"tasks/{task.uuid}/retry").status_code == 402


# --- Usage ------------------------------------------------------------------------------------------------


def test_usage_tells_agents_and_months(as_alice: Api, agent: Agent) -> None:
    spend(agent, 5, "0.25")
    now = month_of(database_now())
    earlier = (now - timedelta(days=1)).replace(day=1)
    Spending.objects.create(owner=agent.owner, agent=agent, month=earlier, tokens=7, cost=Decimal("0.5"))
    assert [row["tokens"] for row in as_alice.get("usage").json()["results"]] == [5]
    body = as_alice.get("usage", months=2).json()
    assert [(row["month"], row["tokens"], row["cost"]) for row in body["results"]] == [
        (f"{now:%Y-%m}", 5, "0.250000"), (f"{earlier:%Y-%m}", 7, "0.500000"),
    ]  # fmt: skip
    assert [total["tokens"] for total in body["totals"]] == [5, 7]
    assert (body["is_cut"], body["results"][0]["agent_name"]) == (False, "scribe")


def test_usage_is_ones_own(as_alice: Api, as_operator: Api, agent: Agent) -> None:
    spend(agent, 5)
    spend(make_agent(make_user("carol")), 9)
    assert as_alice.get("usage").json()["totals"][0]["tokens"] == 5
    assert as_operator.get("usage").json() == {"results": [], "totals": [], "is_cut": False}
    assert as_operator.get("usage", owner="all").json()["totals"][0]["tokens"] == 14
    assert as_operator.get("usage", owner="carol").json()["totals"][0]["tokens"] == 9
    assert as_alice.get("usage", owner="carol").status_code == 403


def test_usage_never_answers_without_end(
    as_alice: Api, agent: Agent, monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries: Any
) -> None:
    monkeypatch.setattr("tasks.api.budget_forms.MOST_USAGE_ROWS", 2)
    for tokens in (1, 2, 3):
        spend(make_agent(agent.owner), tokens)
    with django_assert_max_num_queries(6):
        body = as_alice.get("usage").json()
    assert ([row["tokens"] for row in body["results"]], body["is_cut"]) == ([3, 2], True)
    assert body["totals"][0]["tokens"] == 6


@pytest.mark.parametrize("months", ["0", "25", "x", "-1"])
def test_only_so_many_months_can_be_asked_for(as_alice: Api, months: str) -> None:
    assert set(codes(as_alice.get("usage", months=months))) == {"months"}


def test_a_list_of_budgets_asks_as_often_for_many_as_for_one(
    as_alice: Api, alice: User, django_assert_max_num_queries: Any
) -> None:
    for _ in range(6):
        Budget.objects.create(owner=alice, agent=make_agent(alice), scope="month", token_limit=5)
    with django_assert_max_num_queries(8):
        as_alice.get("budgets")
