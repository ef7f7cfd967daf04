"""Turning the task operator on and off, by whom, with which agent, and as SQL does it."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from personalq.lib.errors import InvalidInput, PermissionDenied
from tasks import agents, events, lifecycle, queues, stop_switch, task_operator
from tasks.models import Agent, Budget, BudgetScope, Spending, SystemSetting, Task
from tasks.models.system_setting import TASK_OPERATOR
from tasks.states import Status
from tasks.sweep import sweep
from tests.makers import claim_next, claim_or_none, kinds, make_agent, make_operator, make_queue, make_user
from tests.tasks.task_operator.rows import fresh, insert, insert_adopted, start_next, switch_by_sql

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_has_not_started_is_taken_back_and_what_runs_goes_on(agent: Agent, turned_on: User) -> None:
    running, waiting = insert_adopted(), insert_adopted(order=1)
    task_operator.hand_out()
    _, claim = start_next(agent)
    failing = insert_adopted()
    Task.objects.filter(pk=failing.pk).update(
        owner=turned_on, agent=agent, handed_out_at=timezone.now(), not_before_at=timezone.now() + timedelta(hours=1)
    )
    task_operator.turn_off(actor=turned_on)
    back = fresh(failing)
    assert (back.owner, back.agent, back.handed_out_at, back.trusted) == (None, None, None, False)
    assert back.not_before_at is not None
    assert kinds(failing)[-1] == events.TAKEN_BACK
    assert fresh(waiting).agent is None
    lifecycle.complete(claim=claim, result="done")
    assert fresh(running).state == Status.COMPLETE


def test_nothing_that_was_handed_out_starts_while_it_is_off(agent: Agent, turned_on: User) -> None:
    """As when an attempt that was running fails, or somebody retries it."""
    task = insert_adopted()
    task_operator.hand_out()
    _, claim = start_next(agent)
    task_operator.turn_off(actor=turned_on)
    lifecycle.fail(claim=claim, code="lease_lost")
    assert fresh(task).agent == agent
    assert claim_or_none(agent.queue) is None
    sweep()
    assert fresh(task).agent is None
    task_operator.turn_on(actor=turned_on)
    sweep()
    again, _ = start_next(agent)
    assert (again, again.attempts) == (task, 2)


def test_turning_off_twice_changes_nothing(operator: User, turned_on: User) -> None:
    other = make_operator()
    task_operator.turn_off(actor=turned_on)
    assert task_operator.turn_off(actor=other).by == turned_on.username


def test_turning_off_what_was_never_on_writes_nothing(operator: User) -> None:
    assert task_operator.turn_off(actor=operator).is_on is False
    assert not SystemSetting.objects.exists()


def test_another_agent_takes_over_what_has_not_started(operator: User, agent: Agent, turned_on: User) -> None:
    task = insert_adopted()
    task_operator.hand_out()
    other = make_agent(operator)
    task_operator.turn_on(actor=operator, agent=other)
    assert fresh(task).agent is None
    task_operator.hand_out()
    assert fresh(task).agent == other


# --- Choosing the agent --------------------------------------------------------------------------------


def test_nobody_but_operators_turns_it(agent: Agent) -> None:
    stranger = make_user()
    with pytest.raises(PermissionDenied):
        task_operator.turn_on(actor=stranger, agent=agent)
    with pytest.raises(PermissionDenied):
        task_operator.turn_off(actor=stranger)
    with pytest.raises(PermissionDenied):
        task_operator.clear(actor=stranger)


def test_without_an_agent_it_says_what_to_do(operator: User) -> None:
    with pytest.raises(task_operator.NoDefaultAgent, match="task-operator"):
        task_operator.turn_on(actor=operator)
    assert task_operator.read().is_on is False


def test_own_agent_of_the_usual_name_is_taken(operator: User) -> None:
    make_agent(make_operator(), name="task-operator")
    own = make_agent(operator, name="task-operator")
    assert task_operator.turn_on(actor=operator).agent == own


def test_agent_queue_and_trust_are_remembered(operator: User, agent: Agent) -> None:
    queue = make_queue()
    task_operator.turn_on(actor=operator, agent=agent, queue=queue, trusts_prompts=False)
    task_operator.turn_off(actor=operator)
    again = task_operator.turn_on(actor=operator)
    assert (again.agent, again.queue, again.trusts_prompts) == (agent, queue, False)


def test_another_agent_brings_its_own_queue(operator: User, agent: Agent) -> None:
    task_operator.turn_on(actor=operator, agent=agent, queue=make_queue())
    assert task_operator.turn_on(actor=operator, agent=make_agent(operator)).queue is None


@pytest.mark.parametrize("fields", [{}, {"is_staff": True, "is_active": False}])
def test_agent_has_to_belong_to_an_active_operator(operator: User, fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as refused:
        task_operator.turn_on(actor=operator, agent=make_agent(make_user(**fields)))
    assert [each.code for each in refused.value.errors] == ["not_an_operators"]


def test_queue_has_to_be_shared_or_the_owners(operator: User, agent: Agent) -> None:
    with pytest.raises(InvalidInput) as refused:
        task_operator.turn_on(actor=operator, agent=agent, queue=make_queue(make_user()))
    assert [each.code for each in refused.value.errors] == ["not_the_owners"]


def problem_code() -> str | None:
    problem = task_operator.read().problem
    return problem.code if problem else None


def test_deleted_agent_is_told_and_nothing_is_lost(agent: Agent, turned_on: User) -> None:
    waiting, handed_out = insert_adopted(order=1), insert_adopted()
    task_operator.hand_out()
    Agent.objects.filter(pk=agent.pk).update(deleted_at=timezone.now())
    sweep()
    assert problem_code() == "agent_deleted"
    assert [fresh(task).agent for task in (waiting, handed_out)] == [None, None]
    with pytest.raises(task_operator.NoDefaultAgent):
        task_operator.turn_on(actor=turned_on)


def test_agent_cannot_be_deleted_while_a_task_is_at_it(agent: Agent, turned_on: User) -> None:
    insert_adopted()
    task_operator.hand_out()
    with pytest.raises(agents.AgentInUse):
        agents.delete(actor=turned_on, agent=agent)


@pytest.mark.parametrize("change", [{"is_active": False}, {"is_staff": False}])
def test_owner_who_is_no_operator_any_more_gets_nothing(agent: Agent, turned_on: User, change: dict[str, Any]) -> None:
    task = insert_adopted()
    User.objects.filter(pk=agent.owner_id).update(**change)
    assert task_operator.hand_out() is None
    assert fresh(task).agent is None
    assert problem_code() == "owner_no_operator"


def test_used_up_budget_burns_no_tasks(agent: Agent, turned_on: User) -> None:
    task = insert_adopted()
    Budget.objects.create(owner=agent.owner, agent=agent, scope=BudgetScope.TOTAL, token_limit=10)
    month = timezone.now().date().replace(day=1)
    Spending.objects.create(owner=agent.owner, agent=agent, month=month, tokens=10)
    assert task_operator.hand_out() is None
    assert (fresh(task).state, problem_code()) == (Status.READY, "budget_exhausted")


def test_pauses_limits_and_the_stop_switch_hold_for_it(agent: Agent, turned_on: User) -> None:
    insert_adopted()
    task_operator.hand_out()
    stop_switch.turn_on(actor=turned_on)
    assert (claim_or_none(agent.queue), problem_code()) == (None, "stop_switch")
    stop_switch.turn_off(actor=turned_on)
    agents.pause(actor=turned_on, agent=agent)
    assert (claim_or_none(agent.queue), problem_code()) == (None, "agent_paused")
    agents.resume(actor=turned_on, agent=agent)
    Agent.objects.filter(pk=agent.pk).update(
        held_until_at=timezone.now() + timedelta(hours=1), held_code="rate_limited"
    )
    assert (claim_or_none(agent.queue), problem_code()) == (None, "agent_held")
    Agent.objects.filter(pk=agent.pk).update(held_until_at=None)
    queues.pause(actor=turned_on, queue=agent.queue)
    assert (claim_or_none(agent.queue), problem_code()) == (None, "queue_paused")
    queues.resume(actor=turned_on, queue=agent.queue)
    assert problem_code() is None
    claim_next(agent.queue)


# --- The switch as SQL writes it -----------------------------------------------------------------------


@pytest.mark.parametrize("value", ["1", '"1"', "true", '{"is_on": true}'])
def test_sql_turns_it_on_with_the_agent_of_before(agent: Agent, turned_on: User, value: str) -> None:
    task_operator.turn_off(actor=turned_on)
    switch_by_sql(value)
    task = insert()
    sweep()
    assert fresh(task).agent == agent
    assert task_operator.read().is_on


@pytest.mark.parametrize("value", ["0", '"0"', "false", "null", "[]", '"nonsense"', '{"agent": 7, "at": "2026-13-99"}'])
def test_sql_turns_it_off(agent: Agent, turned_on: User, value: str) -> None:
    waiting, handed_out = insert_adopted(order=1), insert_adopted()
    task_operator.hand_out()
    switch_by_sql(value)
    assert claim_or_none(agent.queue) is None
    sweep()
    assert [fresh(task).agent for task in (waiting, handed_out)] == [None, None]
    assert task_operator.read().is_on is False


def test_sql_cannot_turn_it_on_without_an_agent_and_status_says_so() -> None:
    switch_by_sql("1")
    task = insert()
    sweep()
    now = task_operator.read()
    assert (now.is_on, problem_code(), fresh(task).agent) == (False, "no_default_agent", None)


def test_sql_that_spoils_what_is_remembered_does_not_stop_the_sweep(turned_on: User) -> None:
    SystemSetting.objects.update(value=[1])
    SystemSetting.objects.filter(name=TASK_OPERATOR).update(value=1)
    sweep()
    assert problem_code() == "no_default_agent"
