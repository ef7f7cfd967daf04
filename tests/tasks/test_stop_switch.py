"""The operators' switch stops everybody's tasks and loses none."""

import pytest

from accounts.models import User
from tasks import dispatch, events, lifecycle, stop_switch
from tasks.claims import ClaimLost
from tasks.messenger import Hint, messenger
from tasks.models import Agent, Task
from tasks.states import Status
from tasks.sweep import sweep
from tests.makers import (
    assert_history_is_legal,
    claim_next,
    claim_or_none,
    kinds,
    make_agent,
    make_operator,
    make_running,
    make_task,
    make_user,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def operator() -> User:
    return make_operator()


@pytest.fixture
def agent() -> Agent:
    return make_agent(make_user(), max_attempts=1)


@pytest.fixture
def posted(monkeypatch: pytest.MonkeyPatch) -> list[Hint]:
    posted: list[Hint] = []
    monkeypatch.setattr(messenger, "post", posted.append)
    return posted


def state_of(task: Task) -> Status:
    return Task.objects.get(pk=task.pk).state


def test_is_off_unless_somebody_turned_it_on() -> None:
    assert stop_switch.read().is_on is False


def test_nothing_starts_while_it_is_on(agent: Agent, operator: User) -> None:
    make_task(agent)
    stop_switch.turn_on(actor=operator, reason="runaway")
    assert claim_or_none(agent.queue) is None
    stop_switch.turn_off(actor=operator)
    claim_next(agent.queue)


def test_tells_who_when_and_why(operator: User) -> None:
    switch = stop_switch.turn_on(actor=operator, reason="runaway")
    assert (switch.is_on, switch.by, switch.reason) == (True, operator.username, "runaway")
    assert switch.at is not None


def test_what_runs_is_stopped_and_goes_on_later_with_all_its_attempts(
    agent: Agent, operator: User, posted: list[Hint]
) -> None:
    task, claim = make_running(agent)
    stop_switch.turn_on(actor=operator)
    assert state_of(task) == Status.READY
    assert [hint.numbers for hint in posted if hint.send is dispatch._send_stop] == [(task.pk, 1)]
    assert task.events.order_by("-id")[0].data["reason"] == "stop_switch"
    with pytest.raises(ClaimLost):
        lifecycle.complete(claim=claim, result="late")
    stop_switch.turn_off(actor=operator)
    again = claim_next(agent.queue)
    assert (again.attempts, again.free_attempts) == (2, 1)
    assert_history_is_legal(task)


def test_what_runs_may_be_left_to_finish(agent: Agent, operator: User) -> None:
    task, claim = make_running(agent)
    stop_switch.turn_on(actor=operator, stops_running=False)
    sweep()
    assert state_of(task) == Status.RUNNING
    lifecycle.complete(claim=claim, result="done")


def test_sweep_stops_what_a_crash_left_running(agent: Agent, operator: User, posted: list[Hint]) -> None:
    stop_switch.turn_on(actor=operator)
    stop_switch.turn_off(actor=operator)
    task, _claim = make_running(agent)
    stop_switch._write(operator, is_on=True, reason="", stops_running=True)
    sweep()
    assert state_of(task) == Status.READY
    assert [hint.numbers for hint in posted if hint.send is dispatch._send_stop] == [(task.pk, 1)]


def test_going_on_nudges_every_queue_in_which_tasks_wait(agent: Agent, operator: User, posted: list[Hint]) -> None:
    make_task(agent)
    stop_switch.turn_on(actor=operator)
    posted.clear()
    stop_switch.turn_off(actor=operator)
    assert [hint.numbers for hint in posted] == [(agent.queue_id,)]
    stop_switch.turn_off(actor=operator)
    assert len(posted) == 1


def test_stopping_leaves_waiting_tasks_alone(agent: Agent, operator: User) -> None:
    task = make_task(agent)
    stop_switch.turn_on(actor=operator)
    assert kinds(task) == [events.CREATED]
