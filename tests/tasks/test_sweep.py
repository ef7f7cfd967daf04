"""The sweep ends what nobody else ends."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, connections
from django.utils import timezone

from accounts.models import User
from tasks import dispatch, events, jobs, lifecycle
from tasks.messenger import Hint, messenger
from tasks.models import Agent, Task
from tasks.models.task import OVERDUE_GRACE
from tasks.states import Status
from tasks.sweep import sweep
from tests.makers import assert_history_is_legal, make_agent, make_running, make_task

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def agent(owner: User) -> Agent:
    return make_agent(owner)


@pytest.fixture
def posted(monkeypatch: pytest.MonkeyPatch) -> list[Hint]:
    posted: list[Hint] = []
    monkeypatch.setattr(messenger, "post", posted.append)
    return posted


def fresh(task: Task) -> Task:
    return Task.objects.get(pk=task.pk)


def test_task_that_waited_too_long_fails(agent: Agent) -> None:
    task = make_task(agent, start_by_at=timezone.now() - timedelta(seconds=1))
    sweep()
    assert (fresh(task).state, fresh(task).error_code) == (Status.FAILED, "waited_too_long")
    assert fresh(task).dead_at is None
    assert_history_is_legal(task)


def test_task_that_still_has_time_waits_on(agent: Agent) -> None:
    task = make_task(agent, start_by_at=timezone.now() + timedelta(minutes=1))
    sweep()
    assert fresh(task).state == Status.READY


def test_agent_says_how_long_its_tasks_may_wait(owner: User) -> None:
    agent = make_agent(owner, waiting_timeout_seconds=60)
    before = timezone.now()
    task = make_task(agent)
    assert task.start_by_at is not None
    assert 60 <= (task.start_by_at - before).total_seconds() <= 65


def test_waiting_is_counted_from_when_the_task_is_due(owner: User) -> None:
    agent = make_agent(owner, waiting_timeout_seconds=60)
    due = timezone.now() + timedelta(days=1)
    assert make_task(agent, not_before_at=due).start_by_at == due + timedelta(seconds=60)


def test_far_times_end_with_the_calendar(owner: User) -> None:
    agent = make_agent(owner, waiting_timeout_seconds=31_536_000)
    far = datetime(9999, 12, 30, tzinfo=UTC)
    assert make_task(agent, not_before_at=far).start_by_at == datetime(9999, 12, 31, tzinfo=UTC)


def test_task_that_was_put_aside_may_wait_for_ever(owner: User) -> None:
    agent = make_agent(owner, waiting_timeout_seconds=60)
    task = lifecycle.backlog(actor=owner, task=make_task(agent))
    Task.objects.filter(pk=task.pk).update(start_by_at=timezone.now() - timedelta(days=1))
    sweep()
    assert fresh(task).state == Status.BACKLOGGED
    released = lifecycle.release(actor=owner, task=task)
    assert released.start_by_at is not None
    assert released.start_by_at > timezone.now()


def test_latest_start_of_its_own_still_holds_after_a_task_was_put_aside(agent: Agent, owner: User) -> None:
    latest = timezone.now() + timedelta(hours=1)
    task = lifecycle.backlog(actor=owner, task=make_task(agent, start_by_at=latest))
    assert lifecycle.release(actor=owner, task=task).start_by_at == latest


def test_started_task_is_not_late_any_more(owner: User) -> None:
    task, _claim = make_running(make_agent(owner, waiting_timeout_seconds=60))
    assert task.start_by_at is None


def test_attempt_that_its_worker_does_not_end_is_ended(agent: Agent, posted: list[Hint]) -> None:
    task, claim = make_running(agent)
    Task.objects.filter(pk=task.pk).update(deadline_at=timezone.now() - OVERDUE_GRACE - timedelta(seconds=1))
    sweep()
    assert (fresh(task).state, fresh(task).error_code) == (Status.FAILED, "timed_out")
    assert [hint.numbers for hint in posted if hint.send is dispatch._send_stop] == [(task.pk, 1)]
    assert lifecycle.still_held([claim]) == set()


def test_worker_has_time_to_end_an_attempt_by_itself(agent: Agent) -> None:
    task, _claim = make_running(agent)
    Task.objects.filter(pk=task.pk).update(deadline_at=timezone.now() - timedelta(seconds=1))
    sweep()
    assert fresh(task).state == Status.RUNNING


def test_one_row_that_cannot_be_healed_does_not_keep_others_waiting(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (make_task(agent, start_by_at=timezone.now() - timedelta(seconds=1)) for _ in range(2))
    expire = lifecycle.expire

    def stumble(*, task_id: int) -> Any:
        if task_id == first.pk:
            raise OperationalError("canceling statement due to lock timeout")
        return expire(task_id=task_id)

    monkeypatch.setattr(lifecycle, "expire", stumble)
    sweep()
    assert [fresh(task).state for task in (first, second)] == [Status.READY, Status.FAILED]


def test_beat_sweeps_every_five_seconds_and_its_messages_cannot_pile_up(settings: Any) -> None:
    entry = settings.CELERY_BEAT_SCHEDULE["sweep"]
    assert entry["task"] == jobs.sweep.name
    assert (entry["schedule"], entry["options"]["expires"]) == (timedelta(seconds=5), 5)


def test_sweep_within_a_slow_sweep_returns_at_once(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    make_task(agent, start_by_at=timezone.now() - timedelta(seconds=1))
    began, may_end = threading.Event(), threading.Event()
    heals: list[int] = []

    def dawdle(*, task_id: int) -> None:
        heals.append(task_id)
        began.set()
        assert may_end.wait(60)

    monkeypatch.setattr(lifecycle, "expire", dawdle)
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(and_let_go, sweep)
        try:
            assert began.wait(60)
            # It would dawdle as well, and for longer than this waits.
            pool.submit(and_let_go, sweep).result(timeout=30)
            assert not slow.done()
        finally:
            may_end.set()
        slow.result(timeout=60)
    assert len(heals) == 1
    sweep()
    assert len(heals) == 2


def and_let_go(work: Callable[[], None]) -> None:
    try:
        work()
    finally:
        connections.close_all()


def test_lost_attempt_is_taken_up_and_its_queue_nudged(agent: Agent, posted: list[Hint]) -> None:
    task, _claim = make_running(agent)
    Task.objects.filter(pk=task.pk).update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    posted.clear()
    sweep()
    assert fresh(task).state == Status.READY
    assert task.events.order_by("-id")[0].kind == events.RETRIED
    assert (agent.queue_id,) in [hint.numbers for hint in posted]
