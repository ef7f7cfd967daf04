"""What becomes of a task whose attempt ended badly, by the class of the failure."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from tasks import events, failures, lifecycle
from tasks.claims import Claim
from tasks.failures import FailureClass
from tasks.lifecycle.endings import HELD_LIMIT, LONGEST_HOLD, LOST_LIMIT
from tasks.models import Agent, Task
from tasks.spending.usage import Usage
from tasks.states import Status
from tests.makers import (
    assert_history_is_legal,
    claim_next,
    claim_or_none,
    kinds,
    make_agent,
    make_running,
    make_task,
    make_user,
)

pytestmark = pytest.mark.django_db
OF_CLASS = {failure.kind: failure.code for failure in failures.FAILURES.values()}


@pytest.fixture
def agent(owner: User) -> Agent:
    return make_agent(owner, max_attempts=2)


def fresh(task: Task) -> Task:
    return Task.objects.get(pk=task.pk)


def make_due(task: Task) -> None:
    Task.objects.filter(pk=task.pk).update(not_before_at=None)
    Agent.objects.filter(tasks=task).update(held_until_at=None)


def fail_once(agent: Agent, code: str, **facts: Any) -> Task:
    return lifecycle.fail(claim=Claim.of(claim_next(agent.queue)), code=code, **facts)


def lose_once(agent: Agent) -> Task:
    return lose(claim_next(agent.queue))


def lose(task: Task) -> Task:
    Task.objects.filter(pk=task.pk).update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    recovered = lifecycle.recover_lost(task_id=task.pk)
    assert recovered is not None
    return recovered


def last_event(task: Task) -> Any:
    return task.events.order_by("-id")[0]


@pytest.mark.parametrize("kind", [FailureClass.PERMANENT, FailureClass.BUDGET, FailureClass.CANCELLED])
def test_failure_that_would_come_again_is_not_repeated(kind: FailureClass, agent: Agent) -> None:
    task = make_task(agent)
    failed = fail_once(agent, OF_CLASS[kind])
    assert (failed.state, failed.error_code, failed.dead_at) == (Status.FAILED, OF_CLASS[kind], None)
    assert last_event(task).data["is_dead"] is False


def test_transient_failure_is_tried_again_after_the_agents_pause(owner: User) -> None:
    agent = make_agent(owner, retry_base_seconds=100, retry_cap_seconds=150)
    make_task(agent)
    waits = []
    for _ in range(2):
        before = timezone.now()
        task = fail_once(agent, "command_try_later", exit_code=75)
        assert task.state == Status.READY
        assert task.not_before_at is not None
        waits.append((task.not_before_at - before).total_seconds())
        make_due(task)
    assert 50 <= waits[0] <= 115
    assert 75 <= waits[1] <= 165


def test_event_of_a_repeated_attempt_tells_why_and_when(agent: Agent) -> None:
    task = make_task(agent)
    again = fail_once(agent, "command_try_later", exit_code=75)
    event = last_event(task)
    assert (event.kind, event.attempt) == (events.RETRIED, 1)
    assert event.data["reason"] == "command_try_later"
    assert event.data["error"] == failures.sentence_for("command_try_later")
    assert event.data["exit_code"] == 75
    assert datetime.fromisoformat(event.data["not_before_at"]) == again.not_before_at


def test_task_is_dead_when_its_attempts_are_used_up(agent: Agent) -> None:
    task = make_task(agent)
    make_due(fail_once(agent, "command_try_later"))
    failed = fail_once(agent, "command_try_later")
    assert (failed.state, failed.attempts) == (Status.FAILED, 2)
    assert list(Task.objects.dead()) == [task]
    assert last_event(task).data["is_dead"] is True
    assert_history_is_legal(task)


def test_retry_brings_a_dead_task_back_with_all_attempts(agent: Agent, owner: User) -> None:
    task = make_task(agent)
    make_due(fail_once(agent, "command_try_later"))
    again = lifecycle.retry(actor=owner, task=fail_once(agent, "command_try_later"))
    assert (again.dead_at, again.is_exhausted) == (None, False)
    assert not Task.objects.dead().exists()
    assert fresh(task).state == Status.READY


def test_lost_attempt_is_tried_again_at_once_and_does_not_count(agent: Agent) -> None:
    task = make_task(agent)
    recovered = lose_once(agent)
    assert (recovered.state, recovered.not_before_at) == (Status.READY, None)
    assert (recovered.attempts, recovered.free_attempts) == (1, 1)
    assert last_event(task).data["reason"] == "lease_lost"
    assert claim_next(agent.queue) == task


def test_task_that_takes_every_worker_with_it_does_not_go_on_for_ever(agent: Agent) -> None:
    make_task(agent)
    for _ in range(LOST_LIMIT):
        task = lose_once(agent)
        assert task.state == Status.READY
        make_due(task)
    task = lose_once(agent)
    assert (task.state, task.error_code) == (Status.FAILED, "lease_lost")
    assert task.dead_at is not None


def test_tasks_that_were_lost_together_twice_part_ways(owner: User) -> None:
    agent = make_agent(owner)
    for _ in range(4):
        make_task(agent)
    pauses = []
    for _ in range(2):
        taken = lifecycle.claim(queue_id=agent.queue_id, worker="w", limit=4).tasks
        pauses.append({lose(task).not_before_at for task in taken})
    assert pauses[0] == {None}
    assert None not in pauses[1]
    assert len(pauses[1]) == 4


def test_retry_forgets_lost_workers_and_limits(agent: Agent, owner: User) -> None:
    make_task(agent)
    lose_once(agent)
    held = fail_once(agent, "rate_limited")
    make_due(held)
    task = lifecycle.retry(actor=owner, task=fail_once(agent, "command_failed"))
    assert (task.lost_attempts, task.held_attempts) == (0, 0)


def test_limit_of_a_provider_holds_the_agent_until_it_ends(agent: Agent) -> None:
    until = timezone.now() + timedelta(hours=3)
    task, other = make_task(agent), make_task(agent)
    held = fail_once(agent, "usage_limited", retry_at=until)
    assert (held.state, held.free_attempts) == (Status.READY, 1)
    agent.refresh_from_db()
    assert (agent.held_until_at, agent.held_code) == (until, "usage_limited")
    assert claim_or_none(agent.queue) is None
    event = last_event(task)
    assert (event.kind, event.data["reason"]) == (events.HELD, "usage_limited")
    assert datetime.fromisoformat(event.data["until"]) == until
    assert event.data["held"].startswith("held until ")
    assert event.data["held"].endswith(" (usage limit)")
    assert kinds(other) == [events.CREATED]
    assert_history_is_legal(task)


def test_work_goes_on_by_itself_when_the_hold_is_over(agent: Agent) -> None:
    task = make_task(agent)
    fail_once(agent, "rate_limited", retry_at=timezone.now() + timedelta(hours=1))
    Agent.objects.filter(pk=agent.pk).update(held_until_at=timezone.now() - timedelta(seconds=1))
    assert claim_next(agent.queue) == task


def test_shorter_hold_does_not_end_a_longer_one(owner: User) -> None:
    agent = make_agent(owner)
    running = [make_running(agent)[1] for _ in range(2)]
    until = timezone.now() + timedelta(hours=1)
    lifecycle.fail(claim=running[0], code="rate_limited", retry_at=until)
    lifecycle.fail(claim=running[1], code="usage_limited", retry_at=until - timedelta(minutes=1))
    agent.refresh_from_db()
    assert (agent.held_until_at, agent.held_code) == (until, "rate_limited")


def test_held_agent_does_not_keep_others_waiting(agent: Agent, owner: User) -> None:
    other = make_agent(owner)
    make_task(agent)
    fail_once(agent, "rate_limited", retry_at=timezone.now() + timedelta(hours=1))
    task = make_task(other)
    assert claim_next(agent.queue) == task


def test_agents_that_spend_the_same_account_are_held_together(owner: User) -> None:
    one, same, other = (
        make_agent(owner, kind="command", config={"command": name}) for name in ("claude", "claude", "codex")
    )
    strangers = make_agent(make_user(), kind="command", config={"command": "claude"})
    make_task(one)
    fail_once(one, "usage_limited", retry_at=timezone.now() + timedelta(hours=1))
    held = set(Agent.objects.filter(held_until_at__isnull=False))
    assert held == {one, same}
    assert held.isdisjoint({other, strangers})


def test_hold_without_a_time_grows_with_each_repetition(agent: Agent) -> None:
    make_task(agent)
    waits = []
    for _ in range(4):
        before = timezone.now()
        fail_once(agent, "rate_limited")
        agent.refresh_from_db()
        assert agent.held_until_at is not None
        waits.append((agent.held_until_at - before).total_seconds())
        Agent.objects.filter(pk=agent.pk).update(held_until_at=None)
    for number, wait in enumerate(waits):
        assert 15 * 2**number <= wait <= 30 * 2**number + 10


@pytest.mark.parametrize(
    ("told", "shortest", "longest"),
    [
        (timedelta(days=365), LONGEST_HOLD - timedelta(seconds=5), LONGEST_HOLD),
        (timedelta(days=-1), timedelta(0), timedelta(seconds=2)),
    ],
)
def test_hold_keeps_within_reason(told: timedelta, shortest: timedelta, longest: timedelta, agent: Agent) -> None:
    make_task(agent)
    before = timezone.now()
    fail_once(agent, "rate_limited", retry_at=before + told)
    agent.refresh_from_db()
    assert agent.held_until_at is not None
    assert shortest <= agent.held_until_at - before <= longest + timedelta(seconds=10)


def test_task_that_only_ever_meets_limits_ends(agent: Agent) -> None:
    task = make_task(agent)
    Task.objects.filter(pk=task.pk).update(held_attempts=HELD_LIMIT)
    failed = fail_once(agent, "rate_limited")
    assert (failed.state, failed.error_code) == (Status.FAILED, "rate_limited")
    assert failed.dead_at is not None


def test_time_to_wait_for_the_start_begins_anew_after_a_hold(owner: User) -> None:
    agent = make_agent(owner, waiting_timeout_seconds=60)
    until = timezone.now() + timedelta(hours=1)
    make_task(agent)
    task = fail_once(agent, "rate_limited", retry_at=until)
    assert task.start_by_at == until + timedelta(seconds=60)


def test_usage_of_each_attempt_stands_in_its_own_event(agent: Agent) -> None:
    task = make_task(agent)
    fail_once(agent, "command_try_later", usage=Usage(tokens_in=1, tokens_out=2))
    assert last_event(task).data["tokens_in"] == 1
    assert last_event(task).data["tokens_out"] == 2
