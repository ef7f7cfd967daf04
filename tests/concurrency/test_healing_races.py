"""The sweep against workers and people: whoever comes first wins, and the history stays legal."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from personalq.lib.errors import IllegalTransition
from tasks import events, lifecycle
from tasks.claims import Claim, ClaimLost
from tasks.models import Agent, Queue, Task
from tasks.models.task import OVERDUE_GRACE
from tasks.states import Status
from tests.concurrency.racing import ROUNDS, failures, race
from tests.makers import assert_history_is_legal, kinds, make_agent, make_queue, make_running, make_task

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def queue(owner: User) -> Queue:
    return make_queue(owner, concurrency_limit=10_000)


@pytest.fixture
def agent(owner: User, queue: Queue, settings: Any) -> Agent:
    settings.PERSONALQ_USER_RUNNING_LIMIT = 10_000
    return make_agent(owner, queue=queue, concurrency_limit=10_000)


def state_of(task: Task) -> Status:
    return Task.objects.get(pk=task.pk).state


def test_claim_against_expiry(agent: Agent, queue: Queue) -> None:
    for _ in range(ROUNDS):
        task = make_task(agent, start_by_at=timezone.now() - timedelta(seconds=1))
        claimed, expired = race(
            partial(lifecycle.claim, queue_id=queue.pk, worker="w"), partial(lifecycle.expire, task_id=task.pk)
        )
        assert (len(claimed.tasks), expired is None) in {(1, True), (0, False)}
        assert state_of(task) == (Status.RUNNING if claimed.tasks else Status.FAILED)
        assert_history_is_legal(task)


def test_expiry_against_cancel(agent: Agent, owner: User) -> None:
    for _ in range(ROUNDS):
        task = make_task(agent, start_by_at=timezone.now() - timedelta(seconds=1))
        results = race(partial(lifecycle.expire, task_id=task.pk), partial(lifecycle.cancel, actor=owner, task=task))
        ends = [kind for kind in kinds(task) if kind in {events.FAILED, events.CANCELLED}]
        assert len(ends) == 1
        assert all(isinstance(error, IllegalTransition) for error in failures(results))
        assert_history_is_legal(task)


def test_end_of_the_overdue_against_complete(agent: Agent) -> None:
    for _ in range(ROUNDS):
        task, claim = make_running(agent)
        Task.objects.filter(pk=task.pk).update(deadline_at=timezone.now() - OVERDUE_GRACE - timedelta(seconds=1))
        results = race(
            partial(lifecycle.end_overdue, task_id=task.pk),
            partial(lifecycle.complete, claim=claim, result="done"),
        )
        ends = [kind for kind in kinds(task) if kind in {events.FAILED, events.COMPLETED}]
        assert len(ends) == 1
        assert all(isinstance(error, ClaimLost) for error in failures(results))
        assert_history_is_legal(task)


def test_interruption_against_complete(agent: Agent) -> None:
    for _ in range(ROUNDS):
        task, claim = make_running(agent)
        results = race(
            partial(lifecycle.interrupt, task_id=task.pk, reason="stop_switch"),
            partial(lifecycle.complete, claim=claim, result="done"),
        )
        is_complete = state_of(task) == Status.COMPLETE
        assert [type(error) for error in failures(results)] == ([] if is_complete else [ClaimLost])
        assert_history_is_legal(task)
        lifecycle.cancel(actor=None, task=task) if not is_complete else None


def test_hold_against_cancel(agent: Agent, owner: User) -> None:
    for _ in range(ROUNDS):
        task, claim = make_running(agent)
        held, cancelled = race(
            partial(lifecycle.fail, claim=claim, code="rate_limited"),
            partial(lifecycle.cancel, actor=owner, task=task),
        )
        assert not isinstance(cancelled, Exception)
        assert state_of(task) == Status.CANCELLED
        assert isinstance(held, ClaimLost) is (events.HELD not in kinds(task))
        assert_history_is_legal(task)
        Agent.objects.update(held_until_at=None)


def test_move_against_claim(agent: Agent, owner: User, queue: Queue) -> None:
    other = make_queue(owner)
    for _ in range(ROUNDS):
        task = make_task(agent)
        moved, claimed = race(
            partial(lifecycle.move, actor=owner, task=task, queue=other),
            partial(lifecycle.claim, queue_id=queue.pk, worker="w"),
        )
        is_claimed = bool(claimed.tasks)
        assert isinstance(moved, IllegalTransition) is is_claimed
        assert Task.objects.get(pk=task.pk).queue_id == (queue.pk if is_claimed else other.pk)
        assert_history_is_legal(task)
        for each in claimed.tasks:
            lifecycle.complete(claim=Claim.of(each), result="")


def test_backlog_against_claim(agent: Agent, owner: User, queue: Queue) -> None:
    for _ in range(ROUNDS):
        task = make_task(agent)
        put_aside, claimed = race(
            partial(lifecycle.backlog, actor=owner, task=task),
            partial(lifecycle.claim, queue_id=queue.pk, worker="w"),
        )
        assert isinstance(put_aside, IllegalTransition) is bool(claimed.tasks)
        assert state_of(task) == (Status.RUNNING if claimed.tasks else Status.BACKLOGGED)
        assert_history_is_legal(task)
