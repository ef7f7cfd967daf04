"""Tasks without an agent go to the default agent: in order, one at a time, and none is lost when one fails."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from tasks import dispatch, events, lifecycle, task_operator
from tasks.messenger import Hint
from tasks.models import Agent, Queue, Task
from tasks.states import Status
from tasks.sweep import sweep
from tests.makers import (
    assert_history_is_legal,
    claim_next,
    claim_or_none,
    kinds,
    make_agent,
    make_operator,
    make_queue,
    make_task,
    make_user,
)
from tests.tasks.task_operator.rows import fresh, insert, insert_adopted, let_it_be_due, sql, start_next

pytestmark = pytest.mark.django_db(transaction=True)


def test_row_of_sql_goes_to_the_default_agent_and_runs(agent: Agent, turned_on: User) -> None:
    task = insert()
    sweep()
    handed_out = fresh(task)
    assert (handed_out.owner, handed_out.agent, handed_out.queue) == (turned_on, agent, agent.queue)
    assert (handed_out.max_attempts, handed_out.handed_out_at is not None) == (2, True)
    assert kinds(task) == [events.CREATED, events.HANDED_OUT]
    started, claim = start_next(agent)
    lifecycle.complete(claim=claim, result="done")
    assert started == task
    assert_history_is_legal(task)


@pytest.mark.usefixtures("turned_on")
def test_row_that_no_sweep_has_recorded_yet_keeps_its_place() -> None:
    insert_adopted("third", order=3)
    first = insert("first", order=-1)
    assert task_operator.hand_out() == first


def test_event_of_handing_out_is_the_new_owners(agent: Agent, turned_on: User) -> None:
    task = insert()
    sweep()
    event = task.events.get(kind=events.HANDED_OUT)
    assert (event.owner, event.data) == (turned_on, {"agent": agent.name, "queue": agent.queue.name})


def test_nothing_is_handed_out_while_it_is_off(agent: Agent, operator: User) -> None:
    task = insert()
    sweep()
    assert fresh(task).agent is None
    task_operator.turn_on(actor=operator, agent=agent)
    task_operator.turn_off(actor=operator)
    sweep()
    assert fresh(task).agent is None


def test_lowest_order_goes_first_and_then_the_lowest_id(agent: Agent, turned_on: User) -> None:
    rows = [insert_adopted(order=order) for order in (5, 0, -3, 0)]
    done = []
    while task_operator.hand_out():
        task, claim = start_next(agent)
        assert claim_or_none(agent.queue) is None
        lifecycle.complete(claim=claim, result="")
        done.append(task)
    assert done == [rows[2], rows[1], rows[3], rows[0]]


def test_next_one_waits_until_the_one_before_has_ended(agent: Agent, turned_on: User) -> None:
    first, second = insert_adopted(), insert_adopted()
    assert task_operator.hand_out() == first
    assert task_operator.hand_out() is None
    _, claim = start_next(agent)
    assert task_operator.hand_out() is None
    lifecycle.complete(claim=claim, result="")
    assert task_operator.hand_out() == second


def test_row_that_comes_later_with_a_lower_order_overtakes_what_waits(agent: Agent, turned_on: User) -> None:
    first = insert_adopted(order=5)
    assert task_operator.hand_out() == first
    urgent = insert_adopted(order=1)
    assert task_operator.hand_out() == urgent
    started, _ = start_next(agent)
    assert started == urgent
    assert claim_or_none(agent.queue) is None


def test_parked_work_counts_as_running(agent: Agent, turned_on: User) -> None:
    insert_adopted()
    insert_adopted()
    task_operator.hand_out()
    _, claim = start_next(agent)
    lifecycle.park(claim=claim)
    assert task_operator.hand_out() is None
    assert claim_or_none(agent.queue) is None


def test_tasks_of_users_and_rows_without_agent_but_with_owner_are_left_alone(operator: User, turned_on: User) -> None:
    own = make_task(make_agent(make_user()))
    odd = insert_adopted()
    Task.objects.filter(pk=odd.pk).update(owner=operator)
    assert task_operator.hand_out() is None
    assert fresh(own).handed_out_at is None


def test_other_tasks_of_the_agent_run_beside(agent: Agent, turned_on: User) -> None:
    insert_adopted()
    task_operator.hand_out()
    start_next(agent)
    own = make_task(agent)
    assert claim_next(agent.queue) == own


def test_database_lets_only_one_run(agent: Agent, turned_on: User) -> None:
    running, other = insert_adopted(), insert_adopted()
    task_operator.hand_out()
    start_next(agent)
    Task.objects.filter(pk=other.pk).update(owner=agent.owner, agent=agent, handed_out_at=timezone.now())
    wrong = (
        "UPDATE tasks SET status = 4, recorded_status = 4, attempts = 1, started_at = now(), lease_expires_at = now() "
        "WHERE id = %s"
    )
    with pytest.raises(IntegrityError, match="task_operator_runs_one_at_a_time"), transaction.atomic():
        sql(wrong, other.pk)
    assert fresh(running).state == Status.RUNNING


def test_tasks_at_two_agents_do_not_run_beside_each_other(operator: User, agent: Agent, turned_on: User) -> None:
    """As when another agent was chosen while one ran, which then has to be tried again."""
    first, second = insert_adopted(), insert_adopted()
    task_operator.hand_out()
    colleague = make_operator()
    other = make_agent(colleague, queue=agent.queue)
    Queue.objects.filter(pk=agent.queue_id).update(owner=None)
    at_the_other = {"owner": colleague, "agent": other, "queue": agent.queue, "handed_out_at": timezone.now()}
    Task.objects.filter(pk=second.pk).update(**at_the_other)
    claimed = lifecycle.claim(queue_id=agent.queue_id, worker="test", limit=10).tasks
    assert len(claimed) == 1
    assert claimed[0] in {first, second}


def test_end_asks_for_the_next_one(agent: Agent, turned_on: User, posted: list[Hint]) -> None:
    insert_adopted()
    task_operator.hand_out()
    _, claim = start_next(agent)
    posted.clear()
    lifecycle.complete(claim=claim, result="")
    assert dispatch._send_hand_out in [hint.send for hint in posted]


def test_row_that_a_sweep_records_asks_for_handing_out(posted: list[Hint]) -> None:
    insert_adopted()
    assert dispatch._send_hand_out in [hint.send for hint in posted]


def test_queue_of_its_own_is_used(operator: User, agent: Agent) -> None:
    queue = make_queue()
    task_operator.turn_on(actor=operator, agent=agent, queue=queue)
    task = insert()
    sweep()
    assert fresh(task).queue == queue


# --- Failing -------------------------------------------------------------------------------------------


def test_failing_one_waits_its_pause_and_the_others_go_on(agent: Agent, turned_on: User) -> None:
    failing, following = insert_adopted(), insert_adopted()
    task_operator.hand_out()
    _, claim = start_next(agent)
    lifecycle.fail(claim=claim, code="provider_unavailable")
    waiting = fresh(failing)
    assert (waiting.state, waiting.agent) == (Status.READY, agent)
    assert waiting.not_before_at is not None
    assert task_operator.hand_out() == following


def test_failing_one_goes_by_order_when_its_time_has_come_and_never_beside_another(
    agent: Agent, turned_on: User
) -> None:
    failing = insert_adopted(order=2)
    task_operator.hand_out()
    lifecycle.fail(claim=start_next(agent)[1], code="provider_unavailable")
    running, urgent, late = insert_adopted(order=3), insert_adopted(order=1), insert_adopted(order=4)
    Task.objects.filter(pk=urgent.pk).update(not_before_at=timezone.now() + timedelta(hours=1))
    assert task_operator.hand_out() == running
    _, claim = start_next(agent)
    let_it_be_due(failing)
    let_it_be_due(urgent)
    assert claim_or_none(agent.queue) is None
    lifecycle.complete(claim=claim, result="")
    order = []
    for _ in range(3):
        task_operator.hand_out()
        task, claim = start_next(agent)
        order.append(task)
        lifecycle.complete(claim=claim, result="")
    assert order == [urgent, failing, late]
    assert_history_is_legal(failing)


def test_task_is_dead_when_its_attempts_are_used_up_and_the_rest_goes_on(agent: Agent, turned_on: User) -> None:
    failing, following = insert_adopted(), insert_adopted(order=9)
    for _ in range(2):
        task_operator.hand_out()
        task, claim = start_next(agent)
        assert task == failing
        lifecycle.fail(claim=claim, code="provider_unavailable")
        if fresh(failing).state == Status.READY:
            let_it_be_due(failing)
    ended = fresh(failing)
    assert (ended.state, ended.attempts, ended.dead_at is not None) == (Status.FAILED, 2, True)
    assert task_operator.hand_out() == following


def test_program_that_exits_with_3_is_failed_and_not_complete(agent: Agent, turned_on: User) -> None:
    task = insert_adopted()
    task_operator.hand_out()
    lifecycle.fail(claim=start_next(agent)[1], code="command_failed", exit_code=3)
    assert fresh(task).state == Status.FAILED
    assert task_operator.hand_out() is None
