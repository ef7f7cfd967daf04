"""What a claim may take: pauses, limits, rates and turns."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from tasks import agents, lane_queries, lifecycle, queues, selection
from tasks.claims import Claim
from tasks.models import Agent, Queue, QueueStart, Task, UserLimits
from tests.makers import claim_next, claim_or_none, make_agent, make_queue, make_task, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def queue(owner: User) -> Queue:
    return make_queue(owner, concurrency_limit=100)


@pytest.fixture
def agent(owner: User, queue: Queue) -> Agent:
    return make_agent(owner, queue=queue, concurrency_limit=100)


def take(queue: Queue, limit: int = 100) -> list[Task]:
    return lifecycle.claim(queue_id=queue.pk, worker="w", limit=limit).tasks


def test_claim_takes_as_many_as_asked(agent: Agent, queue: Queue) -> None:
    made = [make_task(agent) for _ in range(5)]
    assert take(queue, 3) == made[:3]
    assert take(queue, 3) == made[3:]
    assert take(queue, 3) == []


def test_paused_agent_gives_nothing_and_keeps_nobody_waiting(agent: Agent, owner: User, queue: Queue) -> None:
    make_task(agent)
    other = make_task(make_agent(owner, queue=queue))
    agents.pause(actor=owner, agent=agent)
    assert take(queue) == [other]
    agents.resume(actor=owner, agent=agent)
    assert len(take(queue)) == 1


def test_deactivated_user_starts_nothing(agent: Agent, owner: User, queue: Queue) -> None:
    make_task(agent)
    User.objects.filter(pk=owner.pk).update(is_active=False)
    assert take(queue) == []


def test_user_limit_holds_over_queues_and_agents(owner: User, queue: Queue, agent: Agent, settings: Any) -> None:
    settings.PERSONALQ_USER_RUNNING_LIMIT = 3
    other_queue = make_queue(owner)
    other = make_agent(owner, queue=other_queue)
    for _ in range(3):
        make_task(agent)
        make_task(other)
    assert len(take(queue, 2)) == 2
    assert len(take(other_queue)) == 1
    assert take(queue) == []


def test_user_may_have_a_limit_of_their_own(owner: User, queue: Queue, agent: Agent) -> None:
    UserLimits.objects.create(user=owner, running_limit=1)
    make_task(agent)
    make_task(agent)
    assert len(take(queue)) == 1
    assert take(queue) == []


def test_claim_tells_what_it_waits_for(owner: User, queue: Queue) -> None:
    agent = make_agent(owner, queue=queue, concurrency_limit=1)
    make_task(agent)
    make_task(agent)
    assert lifecycle.claim(queue_id=queue.pk, worker="w", limit=5).waits_for == frozenset()
    assert lifecycle.claim(queue_id=queue.pk, worker="w", limit=5).waits_for == {("agent", agent.pk)}
    UserLimits.objects.create(user=owner, running_limit=1)
    assert ("owner", owner.pk) in lifecycle.claim(queue_id=queue.pk, worker="w", limit=5).waits_for


def test_rate_lets_so_many_start_within_a_period(owner: User) -> None:
    queue = make_queue(owner, rate_limit=2, rate_period_seconds=60)
    agent = make_agent(owner, queue=queue)
    for _ in range(5):
        make_task(agent)
    assert len(take(queue)) == 2
    claimed = lifecycle.claim(queue_id=queue.pk, worker="w", limit=5)
    assert claimed.tasks == []
    assert claimed.look_again_seconds is not None
    assert 55 < claimed.look_again_seconds <= 60


def test_rate_counts_starts_and_not_what_runs(owner: User) -> None:
    queue = make_queue(owner, rate_limit=1, rate_period_seconds=60)
    agent = make_agent(owner, queue=queue)
    make_task(agent)
    make_task(agent)
    lifecycle.complete(claim=Claim.of(claim_next(queue)), result="")
    assert claim_or_none(queue) is None


def test_rate_makes_room_when_the_period_is_over(owner: User) -> None:
    queue = make_queue(owner, rate_limit=1, rate_period_seconds=60)
    agent = make_agent(owner, queue=queue)
    make_task(agent)
    make_task(agent)
    claim_next(queue)
    QueueStart.objects.update(at=timezone.now() - timedelta(seconds=61))
    claim_next(queue)
    assert QueueStart.objects.count() == 1


def test_without_a_rate_no_starts_are_remembered(agent: Agent, queue: Queue) -> None:
    make_task(agent)
    take(queue)
    assert not QueueStart.objects.exists()


def test_users_of_a_shared_queue_take_turns() -> None:
    queue = make_queue(concurrency_limit=1)
    busy, rare = (make_agent(make_user(), queue=queue) for _ in range(2))
    for _ in range(5):
        make_task(busy, order=-5)
    lone = make_task(rare, order=5)
    order = []
    for _ in range(3):
        task = claim_next(queue)
        order.append(task.agent_id)
        lifecycle.complete(claim=Claim.of(task), result="")
    assert lone.pk in Task.objects.filter(status=1).values_list("pk", flat=True)
    assert order.index(rare.pk) <= 1


def test_user_whose_turn_was_is_behind_the_others_next_time() -> None:
    queue = make_queue(concurrency_limit=1)
    two = [make_agent(make_user(), queue=queue) for _ in range(2)]
    for agent in two * 3:
        make_task(agent)
    order = []
    for _ in range(6):
        task = claim_next(queue)
        order.append(task.agent_id)
        lifecycle.complete(claim=Claim.of(task), result="")
    assert order == [order[0], order[1]] * 3


def test_cost_of_a_claim_does_not_grow_with_what_waits(agent: Agent, queue: Queue) -> None:
    def statements() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            take(queue, 1)
        return len(captured)

    make_task(agent)
    few = statements()
    for _ in range(30):
        make_task(agent)
    assert statements() == few


def test_tasks_that_are_not_due_are_not_even_read(agent: Agent, queue: Queue) -> None:
    for _ in range(300):
        make_task(agent, not_before_at=timezone.now() + timedelta(days=365))
    due = make_task(agent, not_before_at=timezone.now() - timedelta(seconds=1), order=-1)
    plain = make_task(agent)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE tasks; SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
        cursor.execute(
            f"EXPLAIN (ANALYZE, FORMAT JSON) {lane_queries.HEADS}",
            {
                "owners": [agent.owner_id],
                "agents": [agent.pk],
                "queue": queue.pk,
                "now": timezone.now(),
                "looked_at": 1000,
                "limit": 5,
                "hands_out": False,
            },
        )
        plan = str(cursor.fetchone()[0])
    assert "'Rows Removed by Filter': 3" not in plan
    assert "tasks_timed" in plan
    assert take(queue) == [due, plain]


def test_task_with_a_free_key_is_found_behind_others_whose_key_is_busy(agent: Agent, queue: Queue) -> None:
    for _ in range(30):
        make_task(agent, concurrency_key="busy")
    free = make_task(agent, concurrency_key="free")
    assert len(take(queue, 1)) == 1
    assert take(queue, 1) == [free]


def test_queue_in_which_only_timed_tasks_wait_is_named(owner: User, agent: Agent, queue: Queue) -> None:
    make_task(agent, not_before_at=timezone.now() - timedelta(seconds=1))
    assert selection.queues_with_ready_tasks() == [queue.pk]
    assert len(take(queue)) == 1


def test_waiting_queues_are_named_once(owner: User, agent: Agent, queue: Queue) -> None:
    other = make_queue(owner)
    empty = make_queue(owner)
    for _ in range(3):
        make_task(agent)
        make_task(agent, queue=other)
    lifecycle.cancel(actor=owner, task=make_task(agent, queue=empty))
    assert selection.queues_with_ready_tasks() == [queue.pk, other.pk]


def test_wider_limit_counts_at_once(owner: User, agent: Agent) -> None:
    queue = make_queue(owner, concurrency_limit=1)
    for _ in range(3):
        make_task(agent, queue=queue)
    assert len(take(queue)) == 1
    queues.change(actor=owner, queue=queue, concurrency_limit=2)
    assert len(take(queue)) == 1
