"""Concurrency limits hold however many claim at once."""

import threading
from functools import partial
from typing import Any

import pytest
from django.db import transaction

from tasks import lifecycle, locks, queues, stop_switch
from tasks.claims import Claim
from tasks.lifecycle import ConcurrencyKeyTaken
from tasks.models import Queue, Task
from tasks.states import Status
from tests.concurrency.racing import failures, race
from tests.makers import claim_next, make_agent, make_operator, make_queue, make_task, make_user

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 20
CLAIMERS = 12


def claim_all_at_once(lanes: list[Queue]) -> list[Task]:
    claimers = [
        partial(lifecycle.claim, queue_id=lanes[number % len(lanes)].pk, worker=str(number))
        for number in range(CLAIMERS)
    ]
    results = race(*claimers)
    assert not failures(results)
    return [task for claimed in results for task in claimed.tasks]


def test_queue_limit_is_used_up_and_never_exceeded() -> None:
    owner = make_user()
    queue = make_queue(owner, concurrency_limit=3)
    agent = make_agent(owner, queue=queue, concurrency_limit=100)
    for _ in range(ROUNDS):
        for _ in range(CLAIMERS):
            make_task(agent)
        taken = claim_all_at_once([queue])
        assert len(taken) == 3
        for task in taken:
            lifecycle.complete(claim=Claim.of(task), result="")


def test_agent_limit_holds_over_two_queues() -> None:
    owner = make_user()
    two = [make_queue(owner, concurrency_limit=100) for _ in range(2)]
    agent = make_agent(owner, queue=two[0], concurrency_limit=2)
    for _ in range(ROUNDS):
        for number in range(CLAIMERS):
            make_task(agent, queue=two[number % 2])
        taken = claim_all_at_once(two)
        assert len(taken) == 2
        for task in taken:
            lifecycle.complete(claim=Claim.of(task), result="")


def test_user_limit_holds_over_queues_and_agents(settings: Any) -> None:
    settings.PERSONALQ_USER_RUNNING_LIMIT = 3
    owner = make_user()
    four = [make_queue(owner, concurrency_limit=100) for _ in range(4)]
    agents = [make_agent(owner, queue=queue) for queue in four]
    for _ in range(ROUNDS):
        for agent in agents * 2:
            make_task(agent)
        taken = claim_all_at_once(four)
        assert len(taken) == 3
        for task in taken:
            lifecycle.complete(claim=Claim.of(task), result="")


def test_rate_holds_however_many_claim() -> None:
    owner = make_user()
    queue = make_queue(owner, concurrency_limit=100, rate_limit=7, rate_period_seconds=86_400)
    agent = make_agent(owner, queue=queue, concurrency_limit=100)
    for _ in range(20):
        make_task(agent)
    assert len(claim_all_at_once([queue]) + claim_all_at_once([queue])) == 7


def test_key_runs_alone_however_many_claim() -> None:
    owner = make_user()
    three = [make_queue(owner) for _ in range(3)]
    agents = [make_agent(owner, queue=queue) for queue in three]
    for _ in range(ROUNDS):
        for agent in agents:
            make_task(agent, concurrency_key="k")
        taken = claim_all_at_once(three)
        assert len(taken) == 1
        lifecycle.complete(claim=Claim.of(taken[0]), result="")


def test_newcomers_give_way_to_one_of_them() -> None:
    for _ in range(ROUNDS):
        agent = make_agent(make_user())
        come_in = partial(make_task, agent, concurrency_key="k", concurrency_policy="drop_newer")
        results = race(*[come_in] * 6)
        assert [type(error) for error in failures(results)] == [ConcurrencyKeyTaken] * 5
        assert agent.tasks.count() == 1


def test_of_newcomers_that_cancel_each_other_one_is_left() -> None:
    for _ in range(ROUNDS):
        agent = make_agent(make_user())
        come_in = partial(make_task, agent, concurrency_key="k", concurrency_policy="cancel_older")
        assert not failures(race(*[come_in] * 6))
        assert sorted(agent.tasks.values_list("status", flat=True)) == [Status.READY] + [Status.CANCELLED] * 5


def test_who_waits_too_long_for_a_key_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "_KEY_WAIT", "100ms")
    agent = make_agent(make_user())
    refused = threading.Event()

    def hold() -> None:
        with transaction.atomic():
            locks.hold_concurrency_key(owner_id=agent.owner_id, key="k")
            held.set()
            assert refused.wait(20)

    def come_late() -> None:
        assert held.wait(20)
        try:
            make_task(agent, concurrency_key="k")
        finally:
            refused.set()

    held = threading.Event()
    results = race(hold, come_late)
    assert [type(error) for error in failures(results)] == [locks.KeyBusy]
    assert not agent.tasks.exists()


def test_claims_go_on_while_a_queue_is_being_deleted() -> None:
    owner = make_user()
    queue, other = make_queue(owner), make_queue(owner)
    agent = make_agent(owner, queue=other)
    make_task(agent)
    locked, claimed = threading.Event(), threading.Event()

    def hold_row() -> None:
        with transaction.atomic():
            Queue.objects.select_for_update().get(pk=queue.pk)
            locked.set()
            assert claimed.wait(20)

    def change() -> None:
        assert locked.wait(20)
        queues.change(actor=owner, queue=queue, concurrency_limit=3)

    def claim() -> int:
        assert locked.wait(20)
        try:
            return len(lifecycle.claim(queue_id=other.pk, worker="w").tasks)
        finally:
            claimed.set()

    results = race(hold_row, change, claim)
    assert not failures(results)
    assert results[2] == 1


def test_fifty_workers_never_pass_a_limit_and_finish_everything() -> None:
    owner = make_user()
    queue = make_queue(owner, concurrency_limit=5)
    agents = [make_agent(owner, queue=queue, concurrency_limit=3) for _ in range(2)]
    made = [make_task(agent) for agent in agents * 75]

    def work() -> list[int]:
        seen = []
        while Task.objects.filter(queue=queue, status=Status.READY).exists():
            for task in lifecycle.claim(queue_id=queue.pk, worker="w").tasks:
                seen.append(queue.tasks.running().count())
                seen.append(2 + max(agent.tasks.running().count() for agent in agents))
                lifecycle.complete(claim=Claim.of(task), result="")
        return seen

    results = race(*[work] * 50)
    assert not failures(results)
    assert max(count for seen in results for count in seen) <= 5
    assert queue.tasks.filter(status=Status.COMPLETE).count() == len(made)


def test_nothing_starts_after_a_pause_was_answered() -> None:
    owner = make_user()
    queue = make_queue(owner)
    agent = make_agent(owner, queue=queue)

    def pause_and_count() -> int:
        queues.pause(actor=owner, queue=queue)
        return agent.tasks.filter(status=Status.RUNNING).count()

    for _ in range(ROUNDS):
        make_task(agent)
        counted, claimed = race(pause_and_count, partial(lifecycle.claim, queue_id=queue.pk, worker="w"))
        assert counted == len(claimed.tasks)
        for task in claimed.tasks:
            lifecycle.complete(claim=Claim.of(task), result="")
        queues.resume(actor=owner, queue=queue)


def test_nothing_runs_after_the_stop_switch_was_answered() -> None:
    operator, agent = make_operator(), make_agent(make_user())

    def stop_and_count() -> int:
        stop_switch.turn_on(actor=operator)
        return agent.tasks.filter(status=Status.RUNNING).count()

    for _ in range(ROUNDS):
        make_task(agent)
        counted, _claimed = race(stop_and_count, partial(lifecycle.claim, queue_id=agent.queue_id, worker="w"))
        assert counted == 0
        stop_switch.turn_off(actor=operator)
        Task.objects.filter(agent=agent).delete()


def test_busy_agent_does_not_block_others_of_its_queue() -> None:
    owner = make_user()
    queue = make_queue(owner)
    busy = make_agent(owner, queue=queue, concurrency_limit=1)
    free = make_agent(owner, queue=queue)
    make_task(busy)
    make_task(busy)
    expected = make_task(free)
    claim_next(queue)
    assert claim_next(queue) == expected
