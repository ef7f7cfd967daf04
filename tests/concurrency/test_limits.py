"""Concurrency limits hold however many claim at once."""

from functools import partial

import pytest

from tasks import lifecycle
from tasks.claims import Claim
from tasks.models import Queue, Task
from tests.concurrency.racing import failures, race
from tests.makers import make_agent, make_queue, make_task, make_user

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 20
CLAIMERS = 12


def claim_all_at_once(queues: list[Queue]) -> list[Task]:
    claimers = [
        partial(lifecycle.claim, queue_id=queues[number % len(queues)].pk, worker=str(number))
        for number in range(CLAIMERS)
    ]
    results = race(*claimers)
    assert not failures(results)
    return [result for result in results if result is not None]


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
    queues = [make_queue(owner, concurrency_limit=100) for _ in range(2)]
    agent = make_agent(owner, queue=queues[0], concurrency_limit=2)
    for _ in range(ROUNDS):
        for number in range(CLAIMERS):
            make_task(agent, queue=queues[number % 2])
        taken = claim_all_at_once(queues)
        assert len(taken) == 2
        for task in taken:
            lifecycle.complete(claim=Claim.of(task), result="")


def test_busy_agent_does_not_block_others_of_its_queue() -> None:
    owner = make_user()
    queue = make_queue(owner)
    busy = make_agent(owner, queue=queue, concurrency_limit=1)
    free = make_agent(owner, queue=queue)
    make_task(busy)
    make_task(busy)
    expected = make_task(free)
    lifecycle.claim(queue_id=queue.pk, worker="w")
    assert lifecycle.claim(queue_id=queue.pk, worker="w") == expected
