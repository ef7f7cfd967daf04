"""Which task holds the task operator, freeing it, and what operators do by hand."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from tasks import dispatch, lifecycle, task_operator
from tasks.messenger import Hint
from tasks.models import Agent
from tasks.states import Status
from tests.makers import assert_history_is_legal
from tests.tasks.task_operator.rows import fresh, insert_adopted, start_next

pytestmark = pytest.mark.django_db(transaction=True)


def test_holder_is_what_runs_or_is_next(agent: Agent, turned_on: User) -> None:
    assert task_operator.read().holder is None
    first, second = insert_adopted(), insert_adopted()
    task_operator.hand_out()
    now = task_operator.read()
    assert (now.holder, now.waiting) == (first, 1)
    assert now.holder is not None
    assert task_operator.hold_of(now.holder) == task_operator.Hold(worker="", since=None)
    start_next(agent)
    holder = task_operator.read().holder
    assert holder is not None
    assert task_operator.hold_of(holder) == task_operator.Hold(worker="test", since=fresh(first).started_at)
    assert fresh(second).agent is None


def test_clearing_stops_the_attempt_and_lets_the_others_go_first(
    agent: Agent, turned_on: User, posted: list[Hint]
) -> None:
    stuck, following = insert_adopted(), insert_adopted()
    task_operator.hand_out()
    start_next(agent)
    posted.clear()
    assert task_operator.clear(actor=turned_on) is True
    behind = fresh(stuck)
    assert (behind.state, behind.free_attempts, behind.is_exhausted) == (Status.READY, 1, False)
    assert behind.not_before_at is not None
    assert behind.not_before_at > timezone.now() + timedelta(seconds=50)
    assert [hint.numbers for hint in posted if hint.send is dispatch._send_stop] == [(stuck.pk, 1)]
    assert stuck.events.latest("id").data["by"] == turned_on.username
    assert task_operator.hand_out() == following
    assert_history_is_legal(stuck)


def test_clearing_takes_back_what_has_not_started(agent: Agent, turned_on: User) -> None:
    stuck, following = insert_adopted(), insert_adopted()
    task_operator.hand_out()
    assert task_operator.clear(actor=turned_on) is True
    assert fresh(stuck).agent is None
    assert task_operator.hand_out() == following


def test_clearing_says_when_nothing_holds_it(turned_on: User) -> None:
    assert task_operator.clear(actor=turned_on) is False


def test_clearing_cannot_stop_work_of_an_outside_runner(agent: Agent, turned_on: User) -> None:
    task = insert_adopted()
    task_operator.hand_out()
    _, claim = start_next(agent)
    lifecycle.park(claim=claim)
    with pytest.raises(lifecycle.WorkHandedOver):
        task_operator.clear(actor=turned_on)
    lifecycle.cancel(actor=turned_on, task=fresh(task))
    assert task_operator.clear(actor=turned_on) is False


def test_clearing_cannot_stop_what_an_outside_runner_may_have(agent: Agent, turned_on: User) -> None:
    task = insert_adopted()
    task_operator.hand_out()
    _, claim = start_next(agent)
    lifecycle.expect_report(claim=claim, secret_digest="0" * 64)
    with pytest.raises(lifecycle.WorkHandedOver):
        task_operator.clear(actor=turned_on)
    assert (fresh(task).state, fresh(task).parked_at) == (Status.RUNNING, None)


# --- By hand -------------------------------------------------------------------------------------------


def test_operators_cancel_edit_and_archive_tasks_without_an_agent(operator: User) -> None:
    task = insert_adopted()
    lifecycle.edit(actor=operator, task=task, order=7, prompt="another")
    lifecycle.cancel(actor=operator, task=fresh(task))
    lifecycle.archive(actor=operator, task=fresh(task))
    assert (fresh(task).order, fresh(task).state) == (7, Status.ARCHIVED)
    assert_history_is_legal(task)


def test_released_task_asks_for_handing_out(operator: User, posted: list[Hint]) -> None:
    task = insert_adopted()
    lifecycle.backlog(actor=operator, task=task)
    posted.clear()
    lifecycle.release(actor=operator, task=fresh(task))
    assert dispatch._send_hand_out in [hint.send for hint in posted]
