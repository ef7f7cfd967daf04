"""Tasks that workers outside take and bring back."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from accounts.models import User
from personalq.lib.errors import InvalidInput
from tasks import agents, lifecycle, outside_work, queues, stop_switch, waiting
from tasks.models import Agent, Queue, Task
from tasks.outside_work import ClaimOver
from tasks.states import Status
from tests.makers import assert_history_is_legal, kinds, make_agent, make_operator, make_queue, make_task, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent(owner: User) -> Agent:
    return make_agent(owner, kind="external")


def take(actor: User, **wanted: Any) -> Task | None:
    return outside_work.take_next(actor=actor, worker="laptop", **wanted)


def taken(actor: User, **wanted: Any) -> Task:
    task = take(actor, **wanted)
    assert task is not None
    return task


def lapse(task: Task) -> None:
    Task.objects.filter(pk=task.pk).update(lease_expires_at=Now() - timedelta(seconds=1))
    assert lifecycle.recover_lost(task_id=task.pk) is not None


def test_next_task_is_the_first_by_order_then_by_age(agent: Agent, owner: User) -> None:
    late, early, first = make_task(agent, order=2), make_task(agent, order=1), make_task(agent, order=-1)
    assert [take(owner), take(owner), take(owner), take(owner)] == [first, early, late, None]


def test_task_that_is_not_yet_due_is_not_taken(agent: Agent, owner: User) -> None:
    make_task(agent, not_before_at=agent.created_at + timedelta(hours=1))
    assert take(owner) is None


def test_task_that_has_become_due_is_taken(agent: Agent, owner: User) -> None:
    task = make_task(agent, not_before_at=agent.created_at - timedelta(hours=1))
    assert take(owner) == task


def test_stranger_takes_nothing(agent: Agent) -> None:
    make_task(agent)
    assert take(make_user()) is None


def test_each_takes_only_their_own_out_of_a_queue_that_both_use(agent: Agent, owner: User) -> None:
    stranger = make_user()
    others = make_agent(stranger, kind="external", queue=agent.queue)
    theirs = [make_task(others, order=-1) for _ in range(3)]
    own = [make_task(agent) for _ in range(3)]
    assert [take(owner) for _ in range(3)] == own
    assert [take(stranger) for _ in range(3)] == theirs


def test_operator_takes_nothing_of_others(agent: Agent) -> None:
    make_task(agent)
    assert take(make_operator()) is None


def test_our_own_workers_pass_the_task_over(agent: Agent) -> None:
    make_task(agent)
    assert lifecycle.claim(queue_id=agent.queue_id, worker="ours", limit=10).tasks == []


def test_outside_worker_passes_tasks_of_our_own_workers_over(owner: User) -> None:
    make_task(make_agent(owner))
    assert take(owner) is None


def test_only_the_agent_that_was_asked_for(agent: Agent, owner: User) -> None:
    other = make_agent(owner, kind="external")
    make_task(agent)
    wanted = make_task(other)
    assert take(owner, agent=other) == wanted
    assert take(owner, agent=other) is None


def test_agent_of_another_kind_is_a_mistake(owner: User) -> None:
    with pytest.raises(InvalidInput):
        take(owner, agent=make_agent(owner))


def test_only_the_queue_that_was_asked_for(agent: Agent, owner: User) -> None:
    queue = make_queue(owner)
    make_task(agent)
    wanted = make_task(agent, queue=queue)
    assert take(owner, queue=queue) == wanted
    assert take(owner, queue=queue) is None


def test_queue_with_the_next_task_comes_first(agent: Agent, owner: User) -> None:
    queue = make_queue(owner)
    second = make_task(agent, order=1)
    first = make_task(agent, queue=queue, order=0)
    assert [take(owner), take(owner)] == [first, second]


def test_limit_of_the_agent_holds(owner: User) -> None:
    agent = make_agent(owner, kind="external", concurrency_limit=1)
    make_task(agent)
    make_task(agent)
    assert take(owner) is not None
    assert take(owner) is None


@pytest.mark.parametrize("what", ["agent", "queue", "everything"])
def test_nothing_is_taken_while_it_is_paused(what: str, agent: Agent, owner: User) -> None:
    make_task(agent)
    match what:
        case "agent":
            agents.pause(actor=owner, agent=agent)
        case "queue":
            queues.pause(actor=owner, queue=Queue.objects.shared_default())
        case _:
            stop_switch.turn_on(actor=make_operator())
    assert take(owner) is None


def test_lease_is_as_long_as_asked(agent: Agent, owner: User) -> None:
    make_task(agent)
    task = taken(owner, lease_seconds=123)
    assert task.lease_expires_at is not None
    assert task.started_at is not None
    assert task.lease_expires_at - task.started_at == timedelta(seconds=123)


def test_history_names_the_worker(agent: Agent, owner: User) -> None:
    make_task(agent)
    task = taken(owner)
    assert task.events.get(kind="task_started").data == {"worker": "laptop", "agent": agent.name}


def test_progress_renews_the_lease_and_adds_output(agent: Agent, owner: User) -> None:
    make_task(agent)
    task = taken(owner, lease_seconds=1)
    for text in ("one ", "", "two"):
        kept = outside_work.report_progress(actor=owner, task=task, attempt=1, text=text, lease_seconds=300)
    assert kept.lease_expires_at is not None
    assert task.lease_expires_at is not None
    assert kept.lease_expires_at > task.lease_expires_at + timedelta(seconds=200)
    written = [event.data for event in task.events.filter(kind="task_output").order_by("id")]
    assert written == [{"text": "one ", "offset": 0}, {"text": "two", "offset": 4}]


def test_output_beyond_the_limit_is_refused_and_changes_nothing(owner: User) -> None:
    make_task(make_agent(owner, kind="external", output_limit_bytes=1024))
    task = taken(owner)
    outside_work.report_progress(actor=owner, task=task, attempt=1, text="x" * 1024)
    before = Task.objects.get(pk=task.pk).lease_expires_at
    with pytest.raises(InvalidInput):
        outside_work.report_progress(actor=owner, task=task, attempt=1, text="x", lease_seconds=9_000)
    assert Task.objects.get(pk=task.pk).lease_expires_at == before
    with pytest.raises(InvalidInput):
        outside_work.complete(actor=owner, task=task, attempt=1, result="x" * 1025)


def test_result_completes_the_task(agent: Agent, owner: User) -> None:
    make_task(agent)
    task = outside_work.complete(actor=owner, task=taken(owner), attempt=1, result="42")
    assert (task.state, task.result) == (Status.COMPLETE, "42")
    assert_history_is_legal(task)


def test_failure_is_tried_again_while_attempts_are_left(owner: User) -> None:
    agent = make_agent(owner, kind="external", max_attempts=2)
    make_task(agent)
    task = outside_work.fail(actor=owner, task=taken(owner), attempt=1, reason="no network")
    assert task.state == Status.READY
    retried = task.events.get(kind="task_retried").data
    assert (retried["reason"], retried["said"]) == ("worker_failed", "no network")
    Task.objects.update(not_before_at=None)
    task = outside_work.fail(actor=owner, task=taken(owner), attempt=2, reason="")
    assert (task.state, task.error_code) == (Status.FAILED, "worker_failed")
    assert task.dead_at is not None


def test_final_failure_is_not_tried_again(agent: Agent, owner: User) -> None:
    make_task(agent)
    task = outside_work.fail(actor=owner, task=taken(owner), attempt=1, reason="cannot be done", is_final=True)
    assert (task.state, task.error_code) == (Status.FAILED, "reported_failed")


def test_whoever_lost_the_lease_is_refused_whatever_they_bring(agent: Agent, owner: User) -> None:
    make_task(agent)
    lost = taken(owner)
    lapse(lost)
    assert taken(owner).attempts == 2
    with pytest.raises(ClaimOver):
        outside_work.report_progress(actor=owner, task=lost, attempt=1)
    with pytest.raises(ClaimOver):
        outside_work.complete(actor=owner, task=lost, attempt=1, result="late")
    with pytest.raises(ClaimOver):
        outside_work.fail(actor=owner, task=lost, attempt=1, reason="late")
    assert Task.objects.get(pk=lost.pk).state == Status.RUNNING
    assert "task_completed" not in kinds(lost)


def test_cancelled_task_takes_no_result(agent: Agent, owner: User) -> None:
    make_task(agent)
    task = taken(owner)
    lifecycle.cancel(actor=owner, task=task)
    with pytest.raises(ClaimOver):
        outside_work.complete(actor=owner, task=task, attempt=1, result="late")


def test_nobody_outside_ends_what_our_own_workers_carry_out(owner: User) -> None:
    agent = make_agent(owner)
    make_task(agent)
    (task,) = lifecycle.claim(queue_id=agent.queue_id, worker="ours").tasks
    with pytest.raises(ClaimOver):
        outside_work.complete(actor=owner, task=task, attempt=1, result="forged")
    assert Task.objects.get(pk=task.pk).state == Status.RUNNING


def test_stranger_cannot_bring_a_result(agent: Agent, owner: User) -> None:
    make_task(agent)
    task = taken(owner)
    with pytest.raises(ClaimOver):
        outside_work.complete(actor=make_user(), task=task, attempt=1, result="forged")
    assert Task.objects.get(pk=task.pk).state == Status.RUNNING


def test_waiting_task_says_that_an_outside_worker_has_to_take_it(agent: Agent) -> None:
    reason = waiting.why(make_task(agent))
    assert reason is not None
    assert reason.code == "outside_worker"
