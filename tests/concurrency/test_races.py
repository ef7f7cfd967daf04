"""Races for one task on PostgreSQL: always one winner, never a lost or doubled event."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from personalq.lib.errors import Conflict, IllegalTransition
from tasks import agents, events, lifecycle
from tasks.agents import AgentInUse
from tasks.claims import Claim, ClaimLost
from tasks.models import Agent, Task
from tasks.states import Status
from tests.concurrency.racing import ROUNDS, failures, race
from tests.makers import (
    assert_history_is_legal,
    claim_next,
    kinds,
    make_agent,
    make_queue,
    make_running,
    make_task,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def agent(owner: User) -> Agent:
    queue = make_queue(owner, concurrency_limit=1000)
    return make_agent(owner, queue=queue, concurrency_limit=1000)


def fresh(task: Task) -> Task:
    return Task.objects.get(pk=task.pk)


def ends_of(task: Task) -> list[str]:
    ends = {events.COMPLETED, events.FAILED, events.CANCELLED}
    return [kind for kind in kinds(task) if kind in ends]


def test_cancel_against_complete(agent: Agent, owner: User) -> None:
    for _ in range(ROUNDS):
        task, claim = make_running(agent)
        results = race(
            partial(lifecycle.cancel, actor=owner, task=task),
            partial(lifecycle.complete, claim=claim, result="done"),
        )
        assert_history_is_legal(task)
        (lost,) = failures(results)
        ended = fresh(task)
        if ended.state == Status.CANCELLED:
            assert isinstance(lost, ClaimLost)
            assert ended.result is None
            assert ends_of(task) == [events.CANCELLED]
        else:
            assert isinstance(lost, IllegalTransition)
            assert ended.result == "done"
            assert ends_of(task) == [events.COMPLETED]


def test_cancel_locks_the_row_before_it_looks(agent: Agent, owner: User) -> None:
    task, _claim = make_running(agent)
    with CaptureQueriesContext(connection) as queries:
        lifecycle.cancel(actor=owner, task=task)
    about_task = [query["sql"] for query in queries if '"tasks"' in query["sql"]]
    assert about_task[0].startswith("SELECT")
    assert about_task[0].endswith("FOR NO KEY UPDATE")


def test_cancel_against_cancel(agent: Agent, owner: User) -> None:
    for _ in range(ROUNDS):
        task, _claim = make_running(agent)
        results = race(*[partial(lifecycle.cancel, actor=owner, task=task) for _ in range(4)])
        assert [type(error) for error in failures(results)] == [IllegalTransition] * 3
        assert ends_of(task) == [events.CANCELLED]


def test_claim_against_claim(agent: Agent) -> None:
    for _ in range(ROUNDS):
        task = make_task(agent)
        take = partial(lifecycle.claim, queue_id=agent.queue_id, worker="racer")
        taken = [task for claimed in race(*[take] * 4) for task in claimed.tasks]
        assert taken == [task]
        assert fresh(task).attempts == 1
        assert kinds(task) == [events.CREATED, events.STARTED]
        lifecycle.complete(claim=Claim(task.pk, 1), result="")


def test_many_claims_take_each_task_once(agent: Agent, settings: Any) -> None:
    settings.PERSONALQ_USER_RUNNING_LIMIT = 1000
    made = [make_task(agent) for _ in range(120)]

    def take_until_empty() -> list[Task]:
        taken = []
        while claimed := lifecycle.claim(queue_id=agent.queue_id, worker="racer", limit=3).tasks:
            taken += claimed
        return taken

    taken = [task for batch in race(*[take_until_empty] * 8) for task in batch]
    assert sorted(task.pk for task in taken) == sorted(task.pk for task in made)


def test_retry_against_cancel(agent: Agent, owner: User) -> None:
    for _ in range(ROUNDS):
        task, claim = make_running(agent)
        task = lifecycle.fail(claim=claim, code="command_failed")
        results = race(
            partial(lifecycle.retry, actor=owner, task=task),
            partial(lifecycle.cancel, actor=owner, task=task),
        )
        assert_history_is_legal(task)
        after = [kind for kind in kinds(task) if kind in {events.RETRIED, events.CANCELLED}]
        if fresh(task).state == Status.READY:
            assert isinstance(results[1], IllegalTransition)
            assert after == [events.RETRIED]
            lifecycle.cancel(actor=owner, task=fresh(task))
        else:
            assert fresh(task).state == Status.CANCELLED
            assert not failures(results)
            assert after == [events.RETRIED, events.CANCELLED]


def expire(task: Task) -> None:
    Task.objects.filter(pk=task.pk).update(lease_expires_at=timezone.now() - timedelta(seconds=1))


def put_away(task: Task) -> None:
    """Cancel what a round left ready, lest the next one claims it."""
    if fresh(task).state == Status.READY:
        lifecycle.cancel(actor=None, task=fresh(task))


def test_recovery_against_complete(agent: Agent) -> None:
    for _ in range(ROUNDS):
        task, claim = make_running(agent)
        expire(task)
        results = race(
            partial(lifecycle.recover_lost, task_id=task.pk),
            partial(lifecycle.complete, claim=claim, result="done"),
        )
        assert_history_is_legal(task)
        recovered = isinstance(results[0], Task)
        assert recovered == isinstance(results[1], ClaimLost)
        assert fresh(task).state == (Status.READY if recovered else Status.COMPLETE)
        assert kinds(task)[2:] == [events.RETRIED if recovered else events.COMPLETED]
        put_away(task)


def test_recovery_against_recovery(agent: Agent) -> None:
    for _ in range(ROUNDS):
        task, _claim = make_running(agent)
        expire(task)
        race(*[partial(lifecycle.recover_lost, task_id=task.pk)] * 4)
        assert_history_is_legal(task)
        assert kinds(task).count(events.RETRIED) == 1
        put_away(task)


def test_heartbeat_against_cancel_never_revives(agent: Agent, owner: User) -> None:
    for _ in range(ROUNDS):
        task, claim = make_running(agent)
        results = race(partial(lifecycle.heartbeat, [claim]), partial(lifecycle.cancel, actor=owner, task=task))
        assert not failures(results)
        assert fresh(task).state == Status.CANCELLED
        assert lifecycle.heartbeat([claim]) == set()


def test_output_never_follows_the_end(agent: Agent, owner: User) -> None:
    for _ in range(ROUNDS):
        task, claim = make_running(agent)

        def say(claim: Claim = claim) -> None:
            for number in range(5):
                lifecycle.record_output(claim=claim, text="word ", offset=number * 5)

        race(say, partial(lifecycle.cancel, actor=owner, task=task))
        assert kinds(task)[-1] == events.CANCELLED


def test_submit_against_deleting_the_agent(owner: User) -> None:
    for _ in range(ROUNDS):
        agent = make_agent(owner)
        results = race(partial(make_task, agent), partial(agents.delete, actor=owner, agent=agent))
        (refused,) = failures(results)
        is_deleted = Agent.objects.get(pk=agent.pk).deleted_at is not None
        assert type(refused) is (Conflict if is_deleted else AgentInUse)
        assert agent.tasks.count() == (0 if is_deleted else 1)


SECOND_THOUGHTS: list[tuple[str, str]] = [
    ("backlog", "cancel"),
    ("archive", "retry"),
    ("retry", "retry"),
    ("archive", "archive"),
]


@pytest.mark.parametrize(("first", "second"), SECOND_THOUGHTS)
def test_two_people_decide_at_once(first: str, second: str, agent: Agent, owner: User) -> None:
    for _ in range(ROUNDS):
        task = make_task(agent)
        if first != "backlog":
            task = lifecycle.fail(claim=Claim.of(claim_next(agent.queue)), code="command_failed")
        before = len(kinds(task))
        results = race(*[partial(verb(name), actor=owner, task=task) for name in (first, second)])
        assert_history_is_legal(task)
        changed = [result for result in results if isinstance(result, Task)]
        assert len(kinds(task)) == before + len(changed)
        assert all(isinstance(error, IllegalTransition) for error in failures(results))
        if fresh(task).state in {Status.READY, Status.BACKLOGGED}:
            lifecycle.cancel(actor=owner, task=fresh(task))


def verb(name: str) -> Callable[..., Any]:
    found: Callable[..., Any] = getattr(lifecycle, name)
    return found
