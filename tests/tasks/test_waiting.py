"""Why a task waits: each reason is one by which a claim passes it over, and they are told in one order."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from tasks import agents, heartbeats, queues, selection, stop_switch, task_operator
from tasks.models import Agent, Heartbeat, Queue, QueueStart, Task, UserLimits
from tasks.models.heartbeat import Role
from tasks.waiting import CODES, why
from tests.makers import claim_next, make_agent, make_operator, make_queue, make_running, make_task, make_user

pytestmark = pytest.mark.django_db
LATER = timedelta(hours=1)


@pytest.fixture
def agent(owner: User) -> Agent:
    return make_agent(owner, queue=make_queue(owner))


@pytest.fixture
def task(agent: Agent) -> Task:
    """A ready task beside one that runs under the same agent, owner and queue, with a worker at work."""
    neighbour = make_task(agent, concurrency_key="k")
    task = make_task(agent)
    assert claim_next(agent.queue) == neighbour
    heartbeats.beat(name="worker:test", role=Role.WORKER, started_at=timezone.now(), data={})
    return task


def fresh(task: Task) -> Task:
    return Task.objects.select_related("agent", "queue").get(pk=task.pk)


def code_of(task: Task) -> str | None:
    waiting = why(fresh(task))
    return waiting.code if waiting else None


def is_taken(task: Task) -> bool:
    assert task.queue_id is not None
    chosen = selection.select(queue_id=task.queue_id, limit=100, now=timezone.now())
    return task.pk in chosen.task_ids


def change_task(task: Task, **values: Any) -> None:
    Task.objects.filter(pk=task.pk).update(**values)


def change_agent(task: Task, **values: Any) -> None:
    Agent.objects.filter(tasks=task).update(**values)


def change_queue(task: Task, **values: Any) -> None:
    Queue.objects.filter(tasks=task).update(**values)


def limit_user(task: Task) -> None:
    assert task.owner is not None
    UserLimits.objects.create(user=task.owner, running_limit=1)


def limit_rate(task: Task) -> None:
    change_queue(task, rate_limit=1)
    assert task.queue is not None
    QueueStart.objects.create(queue=task.queue, at=timezone.now())


def pause_agent(task: Task) -> None:
    assert task.agent is not None
    agents.pause(actor=make_user(), agent=task.agent)


def pause_queue(task: Task) -> None:
    assert task.queue is not None
    queues.pause(actor=make_user(), queue=task.queue)


def write_by_sql(task: Task) -> None:
    change_task(task, recorded_status=3)


def take_agent(task: Task) -> None:
    change_task(task, agent=None, owner=None, source="sql")


def turn_task_operator_on() -> Agent:
    operator = make_operator()
    agent = make_agent(operator, queue=make_queue())
    task_operator.turn_on(actor=operator, agent=agent)
    return agent


def block_task_operator(task: Task) -> None:
    take_agent(task)
    Agent.objects.filter(pk=turn_task_operator_on().pk).update(deleted_at=timezone.now())


def give_to_task_operator(task: Task) -> None:
    take_agent(task)
    turn_task_operator_on()


def let_another_one_run(task: Task) -> None:
    other, _claim = make_running(turn_task_operator_on())
    change_task(other, handed_out_at=timezone.now())
    change_task(task, handed_out_at=timezone.now())


# In the order in which they are told.
OBSTACLES: dict[str, Callable[[Task], Any]] = {
    "stop_switch": lambda _: stop_switch.turn_on(actor=make_user(), stops_running=False),
    "not_recorded": write_by_sql,
    "task_operator_off": lambda task: change_task(task, handed_out_at=timezone.now()),
    "task_operator_blocked": block_task_operator,
    "no_agent": lambda task: change_task(task, agent=None, source="sql"),
    "owner_inactive": lambda task: User.objects.filter(tasks=task).update(is_active=False),
    "not_before": lambda task: change_task(task, not_before_at=timezone.now() + LATER),
    "agent_paused": pause_agent,
    "agent_held": lambda task: change_agent(task, held_until_at=timezone.now() + LATER, held_code="rate_limited"),
    "queue_paused": pause_queue,
    "no_worker": lambda _: Heartbeat.objects.all().delete(),
    "task_operator_next": give_to_task_operator,
    "task_operator_busy": let_another_one_run,
    "key_busy": lambda task: change_task(task, concurrency_key="k", concurrency_policy="singleton"),
    "agent_full": lambda task: change_agent(task, concurrency_limit=1),
    "user_full": limit_user,
    "queue_full": lambda task: change_queue(task, concurrency_limit=1),
    "rate": limit_rate,
    "outside_worker": lambda task: change_agent(task, kind="external"),
}
# Whether our own workers are at work does not matter to a task for an outside worker, and a task of the task operator
# has no agent of its own.
APART = {"outside_worker", "task_operator_off", "task_operator_blocked", "task_operator_next", "task_operator_busy"}
BESIDE_OTHERS = [code for code in OBSTACLES if code not in APART]


def test_every_code_is_met_here() -> None:
    assert tuple(OBSTACLES) == CODES[:-1]


def test_task_that_a_claim_would_take_is_next_in_line(task: Task) -> None:
    assert (code_of(task), is_taken(task)) == ("next_in_line", True)


@pytest.mark.parametrize("code", OBSTACLES)
def test_each_obstacle_is_told_and_keeps_claims_from_the_task(code: str, task: Task) -> None:
    OBSTACLES[code](task)
    # A claim is made by a worker, so it cannot find that there is none.
    assert (code_of(task), is_taken(task)) == (code, code == "no_worker")


def test_of_several_reasons_the_first_one_is_told(task: Task) -> None:
    told = []
    for code in reversed(BESIDE_OTHERS):
        OBSTACLES[code](task)
        told.append(code_of(task))
    assert told == list(reversed(BESIDE_OTHERS))


def test_task_for_an_outside_worker_does_not_wait_for_ours(task: Task) -> None:
    change_agent(task, kind="external")
    Heartbeat.objects.all().delete()
    assert code_of(task) == "outside_worker"


def test_row_of_nobody_waits_for_the_task_operator_that_is_off(task: Task) -> None:
    take_agent(task)
    assert (code_of(task), is_taken(task)) == ("task_operator_off", False)


def test_sentence_tells_what_blocks_the_task_operator(task: Task) -> None:
    block_task_operator(task)
    waiting = why(fresh(task))
    assert waiting is not None
    assert waiting.sentence.startswith("Its agent was deleted.")


def test_row_of_nobody_waits_for_its_time(task: Task) -> None:
    give_to_task_operator(task)
    change_task(task, not_before_at=timezone.now() + LATER)
    assert code_of(task) == "not_before"


def test_only_ready_tasks_wait(agent: Agent) -> None:
    running, _ = make_running(agent)
    backlogged = make_task(agent, is_backlogged=True)
    assert (why(fresh(running)), why(fresh(backlogged))) == (None, None)


def test_time_tells_when_the_waiting_is_over(task: Task) -> None:
    until = timezone.now() + LATER
    change_task(task, not_before_at=until)
    waiting = why(fresh(task))
    assert waiting is not None
    assert waiting.until == until


def test_rate_tells_when_the_next_task_may_start(task: Task) -> None:
    limit_rate(task)
    start = QueueStart.objects.get()
    waiting = why(fresh(task))
    assert waiting is not None
    assert waiting.until == start.at + timedelta(seconds=60)


def test_hold_is_told_with_its_end_and_its_reason(task: Task) -> None:
    until = timezone.now() + LATER
    change_agent(task, held_until_at=until, held_code="usage_limited")
    waiting = why(fresh(task))
    assert waiting is not None
    assert waiting.until == until
    assert waiting.sentence.startswith("held until ")
    assert waiting.sentence.endswith(" UTC (usage limit)")


@pytest.mark.parametrize("value", [timezone.now() - timedelta(seconds=1), None])
def test_hold_that_is_over_keeps_nothing_back(value: Any, task: Task) -> None:
    change_agent(task, held_until_at=value, held_code="usage_limited")
    assert (code_of(task), is_taken(task)) == ("next_in_line", True)


def test_worker_that_has_been_silent_for_long_is_none(task: Task) -> None:
    Heartbeat.objects.update(seen_at=timezone.now() - timedelta(seconds=31))
    assert code_of(task) == "no_worker"


def test_sweep_is_no_worker(task: Task) -> None:
    Heartbeat.objects.all().delete()
    heartbeats.beat_sweep(started_at=timezone.now())
    assert code_of(task) == "no_worker"


def test_key_of_somebody_else_keeps_nothing_back(task: Task) -> None:
    stranger = make_user()
    other = make_agent(stranger, queue=make_queue(stranger))
    make_task(other, concurrency_key="theirs")
    claim_next(other.queue)
    change_task(task, concurrency_key="theirs", concurrency_policy="singleton")
    assert code_of(task) == "next_in_line"


def test_finding_out_costs_few_queries_however_much_there_is(task: Task, django_assert_max_num_queries: Any) -> None:
    assert task.agent is not None
    for _ in range(10):
        make_task(task.agent, concurrency_key="many")
        make_task(make_agent(make_user(), queue=task.queue))
    found = fresh(task)
    with django_assert_max_num_queries(7):
        why(found)
