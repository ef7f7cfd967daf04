"""Bulk actions against workers, people and each other: each task is changed and counted once, and nobody deadlocks."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from django.db import connection, connections, transaction

from accounts.models import User
from personalq.lib.errors import IllegalTransition
from tasks import bulk, events, lifecycle, queues
from tasks.bulk import TooManyBulkActions
from tasks.claims import Claim, ClaimLost
from tasks.criteria import TaskCriteria
from tasks.models import Agent, BulkAction, Queue, Task
from tasks.queues import QueueInUse
from tasks.states import Status
from tests.concurrency.racing import failures, race
from tests.makers import assert_history_is_legal, claim_next, kinds, make_agent, make_queue, make_task

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 8
TASKS = 30
BEATS = 40


@pytest.fixture
def agent(owner: User, settings: Any) -> Agent:
    settings.PERSONALQ_USER_RUNNING_LIMIT = 1000
    queue = make_queue(owner, concurrency_limit=1000)
    return make_agent(owner, queue=queue, concurrency_limit=1000, max_attempts=1)


def ask(owner: User, action: str, queue: Queue | None = None, **wanted: Any) -> BulkAction:
    return bulk.create(
        actor=owner,
        action=action,
        criteria=TaskCriteria(**wanted),
        shown_filter={"all": True},
        task_owner=owner,
        queue=queue,
    )


def carry_out(action: BulkAction) -> None:
    """Take part in carrying it out until it has ended, whoever else does."""
    while BulkAction.objects.unfinished().filter(pk=action.pk).exists():
        bulk.advance(action.pk)


def running(agent: Agent) -> list[Task]:
    for _ in range(TASKS):
        make_task(agent)
    return [claim_next(agent.queue) for _ in range(TASKS)]


def count(tasks: list[Task], status: Status) -> int:
    return Task.objects.filter(pk__in=[task.pk for task in tasks], status=status).count()


def for_each(tasks: list[Task], verb: Callable[[Task], Any], *expected: type[Exception]) -> list[Any]:
    done = []
    for task in tasks:
        try:
            done.append(verb(task))
        except expected:
            continue
    return done


def test_cancel_against_workers_that_complete(owner: User, agent: Agent) -> None:
    for _ in range(ROUNDS):
        tasks = running(agent)
        action = ask(owner, "cancel")
        complete = partial(for_each, tasks, lambda task: lifecycle.complete(claim=Claim.of(task), result=""), ClaimLost)
        results = race(partial(carry_out, action), complete)
        assert failures(results) == []
        action.refresh_from_db()
        assert (action.status, action.total) == ("complete", TASKS)
        assert action.changed == count(tasks, Status.CANCELLED)
        assert action.skipped == count(tasks, Status.COMPLETE) == len(results[1])
        assert action.errors == ({"illegal_transition": action.skipped} if action.skipped else {})
        for task in tasks:
            assert_history_is_legal(task)


def test_many_workers_share_one_action_and_never_a_chunk(
    owner: User, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [make_task(agent) for _ in range(4 * bulk.CHUNK)]
    action = ask(owner, "cancel")
    act, alone = bulk._act_on_each, threading.Lock()

    def act_alone(*arguments: Any) -> Any:
        assert alone.acquire(blocking=False), "two chunks at once"
        try:
            return act(*arguments)
        finally:
            alone.release()

    monkeypatch.setattr(bulk, "_act_on_each", act_alone)
    assert failures(race(*[partial(carry_out, action)] * 4)) == []
    action.refresh_from_db()
    assert (action.status, action.changed, action.skipped) == ("complete", len(made), 0)
    assert all(kinds(task) == [events.CREATED, events.CANCELLED] for task in made)


def test_nothing_changes_after_a_stop_has_returned(owner: User, agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "CHUNK_SECONDS", 0.01)
    for _ in range(ROUNDS):
        tasks = [make_task(agent) for _ in range(TASKS)]
        action = ask(owner, "cancel", statuses=[Status.READY])

        def stop(action: BulkAction = action, tasks: list[Task] = tasks) -> int:
            bulk.stop(actor=owner, action=action)
            return count(tasks, Status.CANCELLED)

        results = race(partial(carry_out, action), stop)
        assert failures(results) == []
        action.refresh_from_db()
        assert not action.is_unfinished
        assert action.changed == results[1] == count(tasks, Status.CANCELLED)
        for_each(tasks, lambda task: lifecycle.cancel(actor=owner, task=task), IllegalTransition)


def test_stop_that_meets_the_end_changes_nothing(owner: User) -> None:
    action = ask(owner, "cancel")

    def stop() -> None:
        try:
            bulk.stop(actor=owner, action=action)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            bulk._carry_on(action.pk)
            stopping = pool.submit(stop)
            wait_until_somebody_waits()
        stopping.result()
    action.refresh_from_db()
    assert action.status == "complete"


def wait_until_somebody_waits() -> None:
    limit = time.monotonic() + 30
    with connection.cursor() as cursor:
        while time.monotonic() < limit:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
    raise TimeoutError


def test_dead_letter_that_arrives_during_retry_all_stays(owner: User, agent: Agent) -> None:
    for _ in range(ROUNDS):
        tasks = running(agent)
        dead, alive = tasks[::2], tasks[1::2]
        die: Callable[[Task], Task] = lambda task: lifecycle.fail(claim=Claim.of(task), code="command_try_later")  # noqa: E731
        for_each(dead, die)
        action = ask(owner, "retry", is_dead=True)
        assert failures(race(partial(carry_out, action), partial(for_each, alive, die))) == []
        action.refresh_from_db()
        assert (action.total, action.changed) == (len(dead), len(dead))
        assert count(dead, Status.READY) == len(dead)
        assert count(alive, Status.FAILED) == len(alive)
        Task.objects.all().delete()


def test_heartbeats_of_many_tasks_and_a_bulk_cancel_do_not_wait_for_each_other(owner: User, agent: Agent) -> None:
    for _ in range(ROUNDS):
        claims = [Claim.of(task) for task in reversed(running(agent))]
        action = ask(owner, "cancel")

        def beat(claims: list[Claim] = claims) -> None:
            for _ in range(BEATS):
                lifecycle.heartbeat(claims)

        assert failures(race(partial(carry_out, action), beat, beat)) == []
        action.refresh_from_db()
        assert action.changed == TASKS


@pytest.mark.parametrize("policy", ["singleton", "cancel_older", "drop_newer"])
def test_retries_of_keyed_tasks_do_not_wait_for_each_other(owner: User, agent: Agent, policy: str) -> None:
    for number in range(ROUNDS):
        tasks = [make_task(agent, concurrency_key=f"{number}-{each}", concurrency_policy=policy) for each in range(10)]
        for_each(tasks, lambda task: lifecycle.cancel(actor=owner, task=task))
        action = ask(owner, "retry")
        by_hand = partial(
            for_each, tasks[::-1], lambda task: lifecycle.retry(actor=owner, task=task), IllegalTransition
        )
        results = race(partial(carry_out, action), by_hand)
        assert failures(results) == []
        action.refresh_from_db()
        assert action.changed + len(results[1]) == len(tasks) == count(tasks, Status.READY)
        Task.objects.all().delete()


def test_move_against_deleting_the_queue(owner: User, agent: Agent) -> None:
    for _ in range(ROUNDS):
        target = make_queue(owner)
        tasks = [make_task(agent) for _ in range(3)]
        action = ask(owner, "move", target)
        results = race(partial(carry_out, action), partial(queues.delete, actor=owner, queue=target))
        action.refresh_from_db()
        if action.status == "complete":
            assert [type(error) for error in failures(results)] == [QueueInUse]
            assert {task.queue_id for task in Task.objects.all()} == {target.pk}
        else:
            assert failures(results) == []
            assert (action.status, action.errors) == ("stopped", {"not_found": 1})
            assert not Queue.objects.filter(pk=target.pk).exists()
        assert count(tasks, Status.READY) == len(tasks)
        Task.objects.all().delete()


def test_no_more_than_five_are_asked_for_at_once(owner: User) -> None:
    results = race(*[partial(ask, owner, "cancel")] * 9)
    assert [type(error) for error in failures(results)] == [TooManyBulkActions] * 4
    assert BulkAction.objects.count() == bulk.MOST_UNFINISHED
