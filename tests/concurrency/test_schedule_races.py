"""Several beats, people and the clock at the same moment: each time fires once, and nothing refers to what is gone."""

import logging
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import transaction

from accounts.models import User
from personalq.lib.errors import Conflict, NotFound
from tasks import agents, queues, schedules
from tasks.agents import AgentInUse
from tasks.models import Agent, Queue, Schedule, Task
from tasks.queues import QueueInUse
from tasks.quotas import QuotaReached
from tasks.schedules import ScheduleBusy, firing
from tasks.schedules.firing import fire_due
from tasks.sweep import sweep
from tests.concurrency.racing import ROUNDS, failures, race
from tests.makers import make_agent, make_queue
from tests.tasks.scheduling import fires_of, fresh, make_due, make_schedule, outcomes, tasks_of

pytestmark = pytest.mark.django_db(transaction=True)
HOUR_AND_A_BIT = timedelta(minutes=65)


@pytest.fixture
def agent(owner: User) -> Agent:
    return make_agent(owner)


@pytest.fixture(autouse=True)
def time_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow machine ends no look early."""
    monkeypatch.setattr(firing, "PASS_SECONDS", 60.0)


def test_many_beats_fire_each_time_once(owner: User, agent: Agent, caplog: pytest.LogCaptureFixture) -> None:
    many = [make_schedule(owner, agent=agent) for _ in range(ROUNDS)]
    for schedule in many:
        make_due(schedule)
    assert not failures(race(*[fire_due] * 4, sweep))
    fire_due()
    assert [outcomes(schedule) for schedule in many] == [["fired"]] * ROUNDS
    # Nobody ran into the unique index, which is only there should the lock fail.
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert Task.objects.count() == ROUNDS


def test_schedule_that_somebody_holds_keeps_no_other_waiting(
    owner: User, agent: Agent, caplog: pytest.LogCaptureFixture
) -> None:
    held, free = make_schedule(owner, agent=agent), make_schedule(owner, agent=agent)
    make_due(held, ago=timedelta(seconds=5))
    make_due(free)
    with transaction.atomic():
        Schedule.objects.select_for_update(no_key=True).get(pk=held.pk)
        assert not failures(race(fire_due))
        assert (outcomes(held), outcomes(free)) == ([], ["fired"])
    # Nor did it wait until the database lost patience.
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
    fire_due()
    assert outcomes(held) == ["fired"]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("none", ["missed"]), ("last", ["missed", "fired"]), ("all", ["fired"] * 7)],
)
def test_many_beats_after_an_hour_down_obey_the_policy(
    policy: str, expected: list[str], owner: User, agent: Agent
) -> None:
    for _ in range(max(5, ROUNDS // 10)):
        schedule = make_schedule(owner, agent=agent, catch_up_policy=policy, overlap_policy="allow")
        due_at = make_due(schedule, ago=HOUR_AND_A_BIT)
        assert not failures(race(*[fire_due] * 4))
        fire_due()
        assert outcomes(schedule) == expected
        assert [fire.due_at for fire in fires_of(schedule)] == sorted({fire.due_at for fire in fires_of(schedule)})
        assert sum(fire.count for fire in fires_of(schedule)) == 7
        assert len(tasks_of(schedule)) == expected.count("fired")
        assert fresh(schedule).next_due_at == due_at + timedelta(minutes=70)


@pytest.mark.parametrize("verb", ["pause", "delete"])
def test_stopping_against_firing(verb: str, owner: User, agent: Agent) -> None:
    for _ in range(ROUNDS):
        schedule = make_schedule(owner, agent=agent)
        make_due(schedule)
        stop: Callable[..., Any] = getattr(schedules, verb)
        assert not failures(race(partial(stop, actor=owner, schedule=schedule), fire_due))
        fired = len(tasks_of(schedule))
        assert outcomes(schedule) == ["fired"] * fired
        assert fresh(schedule).next_due_at is None
        fire_due()
        assert len(tasks_of(schedule)) == fired


def test_changing_against_firing(owner: User, agent: Agent) -> None:
    for _ in range(ROUNDS):
        schedule = make_schedule(owner, agent=agent, prompt="before")
        due_at = make_due(schedule)
        change = partial(schedules.change, actor=owner, schedule=schedule, prompt="after", every_seconds=3_600)
        assert not failures(race(change, fire_due, fire_due))
        fire_due()
        # Either the time fired as it was, or the new timing counts from now.
        assert [
            (task.prompt, fire.due_at) for task, fire in zip(tasks_of(schedule), fires_of(schedule), strict=True)
        ] in (
            [("before", due_at)],
            [],
        )
        current = fresh(schedule)
        assert (current.prompt, current.every_seconds) == ("after", 3_600)
        assert current.next_due_at is not None
        assert current.next_due_at > due_at + timedelta(minutes=10)


def test_running_by_hand_against_firing(owner: User, agent: Agent) -> None:
    for _ in range(ROUNDS):
        schedule = make_schedule(owner, agent=agent, overlap_policy="skip")
        make_due(schedule)
        results = race(partial(schedules.run, actor=owner, schedule=schedule), fire_due)
        fire_due()
        assert len(tasks_of(schedule)) == 1
        is_busy = isinstance(results[0], ScheduleBusy)
        assert sorted(outcomes(schedule)) == (["fired"] if is_busy else ["fired", "skipped"])


def test_running_by_hand_twice_at_once(owner: User, agent: Agent) -> None:
    for _ in range(ROUNDS):
        schedule = make_schedule(owner, agent=agent, overlap_policy="skip")
        results = race(*[partial(schedules.run, actor=owner, schedule=schedule)] * 3)
        assert [type(error) for error in failures(results)] == [ScheduleBusy] * 2
        assert len(tasks_of(schedule)) == 1


def test_deleting_the_agent_against_creating_a_schedule(owner: User) -> None:
    for _ in range(ROUNDS):
        agent = make_agent(owner)
        results = race(partial(make_schedule, owner, agent=agent), partial(agents.delete, actor=owner, agent=agent))
        (refused,) = failures(results)
        is_deleted = Agent.objects.get(pk=agent.pk).deleted_at is not None
        assert type(refused) is (Conflict if is_deleted else AgentInUse)
        assert agent.schedules.count() == (0 if is_deleted else 1)
        Schedule.objects.all().delete()


def test_deleting_the_agent_against_giving_it_to_a_schedule(owner: User) -> None:
    schedule = make_schedule(owner)
    for _ in range(ROUNDS):
        agent = make_agent(owner)
        results = race(
            partial(schedules.change, actor=owner, schedule=schedule, agent=agent),
            partial(agents.delete, actor=owner, agent=agent),
        )
        (refused,) = failures(results)
        is_deleted = Agent.objects.get(pk=agent.pk).deleted_at is not None
        assert type(refused) is (Conflict if is_deleted else AgentInUse)
        assert (fresh(schedule).agent == agent) is not is_deleted


def test_deleting_the_queue_against_creating_a_schedule(owner: User, agent: Agent) -> None:
    for _ in range(ROUNDS):
        queue = make_queue(owner)
        results = race(
            partial(make_schedule, owner, agent=agent, queue=queue), partial(queues.delete, actor=owner, queue=queue)
        )
        (refused,) = failures(results)
        is_deleted = not Queue.objects.filter(pk=queue.pk).exists()
        assert type(refused) is (Conflict if is_deleted else QueueInUse)
        assert Schedule.objects.filter(queue_id=queue.pk).count() == (0 if is_deleted else 1)
        Schedule.objects.all().delete()


def test_schedules_are_counted_however_many_are_made_at_once(owner: User, agent: Agent, settings: Any) -> None:
    settings.PERSONALQ_SCHEDULES_PER_USER = 3
    results = race(*[partial(make_schedule, owner, agent=agent) for _ in range(6)])
    assert [type(error) for error in failures(results)] == [QuotaReached] * 3
    assert owner.schedules.count() == 3


def test_frequent_schedules_are_counted_however_many_become_it_at_once(
    owner: User, agent: Agent, settings: Any
) -> None:
    settings.PERSONALQ_FREQUENT_SCHEDULES_PER_USER = 1
    both = [make_schedule(owner, agent=agent) for _ in range(2)]
    for _ in range(ROUNDS):
        changes = [partial(schedules.change, actor=owner, schedule=one, every_seconds=30) for one in both]
        results = race(*changes, partial(make_schedule, owner, agent=agent, every_seconds=30))
        assert [type(error) for error in failures(results)] == [QuotaReached] * 2
        assert owner.schedules.filter(every_seconds=30).count() == 1
        for one in owner.schedules.filter(every_seconds=30):
            schedules.change(actor=owner, schedule=one, every_seconds=600)


def test_deleting_twice_at_once(owner: User, agent: Agent) -> None:
    for _ in range(ROUNDS):
        schedule = make_schedule(owner, agent=agent)
        results = race(*[partial(schedules.delete, actor=owner, schedule=schedule)] * 2)
        assert [type(error) for error in failures(results)] == [NotFound]


def test_pausing_and_resuming_at_once_leaves_a_schedule_that_is_whole(owner: User, agent: Agent) -> None:
    schedule = make_schedule(owner, agent=agent)
    for _ in range(ROUNDS):
        assert not failures(
            race(*[partial(verb, actor=owner, schedule=schedule) for verb in (schedules.pause, schedules.resume)])
        )
        current = fresh(schedule)
        assert current.is_paused is (current.next_due_at is None)
