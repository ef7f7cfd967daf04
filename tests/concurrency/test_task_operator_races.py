"""The task operator lets one task run at a time and loses none, however many sweeps, workers and people are at it."""

import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from django.db import connections, transaction
from django.utils import timezone

from accounts.models import User
from tasks import agents, events, lifecycle, locks, task_operator
from tasks.claims import Claim, ClaimLost
from tasks.models import Agent, Task
from tasks.states import Status
from tests.concurrency.racing import ROUNDS, failures, race
from tests.makers import assert_history_is_legal, claim_or_none, kinds, make_agent, make_operator, make_queue

pytestmark = pytest.mark.django_db(transaction=True)
WORKERS = 8


@pytest.fixture
def operator() -> User:
    return make_operator()


@pytest.fixture
def agent(operator: User) -> Agent:
    agent = make_agent(operator, queue=make_queue(operator, concurrency_limit=1_000), concurrency_limit=1_000)
    task_operator.turn_on(actor=operator, agent=agent)
    return agent


def insert(count: int) -> list[Task]:
    """Rows as SQL writes them, recorded as the sweep does."""
    rows = [Task.objects.create(prompt="from sql", order=place) for place in range(count)]
    for row in rows:
        lifecycle.adopt(task_id=row.pk)
    return rows


def state_of(task: Task) -> Status:
    return Task.objects.get(pk=task.pk).state


def claimer(agent: Agent, worker: str = "w") -> Callable[[], lifecycle.Claimed]:
    return partial(lifecycle.claim, queue_id=agent.queue_id, worker=worker, limit=20)


def test_many_hand_out_at_once_and_one_task_is_handed_out(agent: Agent) -> None:
    for _ in range(ROUNDS):
        rows = insert(3)
        results = race(*[task_operator.hand_out] * 4)
        assert not failures(results)
        assert [task for task in results if task is not None] == [rows[0]]
        assert kinds(rows[0]).count(events.HANDED_OUT) == 1
        Task.objects.all().delete()


def test_never_two_run_while_many_hand_out_claim_and_end(agent: Agent) -> None:
    """Each worker ends what it has claimed, well or badly, and hands out the next at once."""
    rows = insert(60)
    begun: list[int] = []
    at_once: list[int] = []
    guard = threading.Lock()

    def work() -> None:
        for _ in range(400):
            task_operator.hand_out()
            for task in claimer(agent)().tasks:
                with guard:
                    begun.append(task.pk)
                    at_once.append(Task.objects.handed_out().running().count())
                if task.pk % 3:
                    lifecycle.complete(claim=Claim.of(task), result="")
                else:
                    lifecycle.fail(claim=Claim.of(task), code="command_failed")
            if not Task.objects.filter(status__in=[Status.READY, Status.RUNNING]).exists():
                return

    assert not failures(race(*[work] * WORKERS))
    assert set(at_once) == {1}
    assert begun == [row.pk for row in rows]
    ends = {Status.COMPLETE if row.pk % 3 else Status.FAILED for row in rows}
    assert {state_of(row) for row in rows} == ends
    for row in rows[:5]:
        assert_history_is_legal(row)


def test_those_whose_pause_is_over_do_not_start_beside_each_other(agent: Agent) -> None:
    """As after several failures: all of them stand in line at the agent."""
    for _ in range(ROUNDS):
        rows = insert(4)
        Task.objects.update(
            owner=agent.owner,
            agent=agent,
            queue=agent.queue,
            handed_out_at=timezone.now(),
            not_before_at=timezone.now() - timedelta(seconds=1),
        )
        results = race(*[claimer(agent)] * 4)
        assert not failures(results)
        claimed = [task for result in results for task in result.tasks]
        assert claimed == [rows[0]]
        lifecycle.complete(claim=Claim.of(claimed[0]), result="")
        Task.objects.all().delete()


def test_nothing_is_claimed_after_turning_off_has_answered(agent: Agent, operator: User) -> None:
    for _ in range(ROUNDS):
        task_operator.turn_on(actor=operator)
        (row,) = insert(1)
        task_operator.hand_out()
        claimed, turned_off = race(claimer(agent), partial(task_operator.turn_off, actor=operator))
        assert not failures([claimed, turned_off])
        is_running = bool(claimed.tasks)
        assert state_of(row) == (Status.RUNNING if is_running else Status.READY)
        assert (Task.objects.get(pk=row.pk).agent is not None) is is_running
        assert claim_or_none(agent.queue) is None
        assert_history_is_legal(row)
        Task.objects.all().delete()


def test_claim_under_way_goes_before_turning_off(agent: Agent, operator: User) -> None:
    """Otherwise it would start something after the answer."""
    (row,) = insert(1)
    task_operator.hand_out()
    answered = threading.Event()

    def turn_off() -> None:
        try:
            task_operator.turn_off(actor=operator)
            answered.set()
        finally:
            connections.close_all()

    thread = threading.Thread(target=turn_off)
    with transaction.atomic():
        locks.hold_claims()
        thread.start()
        assert not answered.wait(0.3)
        (task,) = claimer(agent)().tasks
    thread.join(20)
    assert answered.is_set()
    assert (task, state_of(row)) == (row, Status.RUNNING)


def test_turning_off_against_handing_out_leaves_nothing_in_line(agent: Agent, operator: User) -> None:
    for _ in range(ROUNDS):
        task_operator.turn_on(actor=operator)
        (row,) = insert(1)
        results = race(task_operator.hand_out, partial(task_operator.turn_off, actor=operator))
        assert not failures(results)
        assert Task.objects.get(pk=row.pk).agent is None
        assert_history_is_legal(row)
        Task.objects.all().delete()


def test_deleting_the_agent_against_handing_out(agent: Agent, operator: User) -> None:
    for _ in range(ROUNDS):
        default = make_agent(operator, queue=agent.queue)
        task_operator.turn_on(actor=operator, agent=default)
        (row,) = insert(1)
        handed_out, deleted = race(task_operator.hand_out, partial(agents.delete, actor=operator, agent=default))
        assert not isinstance(handed_out, Exception)
        assert isinstance(deleted, agents.AgentInUse) is (handed_out is not None)
        assert Task.objects.get(pk=row.pk).agent == (default if handed_out else None)
        Task.objects.all().delete()


def test_clearing_against_complete(agent: Agent, operator: User) -> None:
    for _ in range(ROUNDS):
        (row,) = insert(1)
        task_operator.hand_out()
        (task,) = claimer(agent)().tasks
        cleared, completed = race(
            partial(task_operator.clear, actor=operator),
            partial(lifecycle.complete, claim=Claim.of(task), result="done"),
        )
        assert isinstance(completed, ClaimLost) is cleared
        assert state_of(row) == (Status.READY if cleared else Status.COMPLETE)
        assert_history_is_legal(row)
        Task.objects.all().delete()


def test_cancel_against_handing_out(agent: Agent, operator: User) -> None:
    for _ in range(ROUNDS):
        (row,) = insert(1)
        results = race(task_operator.hand_out, partial(lifecycle.cancel, actor=operator, task=row))
        assert not failures(results)
        assert state_of(row) == Status.CANCELLED
        assert_history_is_legal(row)
        Task.objects.all().delete()
