"""What makes the product not ready, each cause by its name, and what does not."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.models.functions import Now
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.models import User
from personalq.lib.readiness import Finding
from tasks import heartbeats, readiness
from tasks.models import Agent, Heartbeat, Queue, SystemSetting, Task
from tasks.models.heartbeat import Role
from tasks.models.system_setting import STOP_SWITCH
from tests.makers import claim_next, make_agent, make_queue, make_task

pytestmark = pytest.mark.django_db(transaction=True)

WORKER = "worker:here:1"
LONG_AGO = timedelta(seconds=301)


@pytest.fixture(autouse=True)
def at_work(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A worker and a sweep have just been seen, and nothing is remembered of other tests."""
    # These tests are about what is found and not about how quickly on a machine that does other things.
    monkeypatch.setattr(readiness.lookout, "_limit_seconds", 60.0)
    heartbeats.beat(name=WORKER, role=Role.WORKER, started_at=timezone.now(), data={"slots": 4, "running": 1})
    heartbeats.beat_sweep(started_at=timezone.now())
    readiness.lookout.forget()
    yield
    readiness.lookout.forget()


@pytest.fixture
def queue(owner: User) -> Queue:
    queue = make_queue(owner)
    Queue.objects.update(updated_at=Now() - LONG_AGO)
    return queue


@pytest.fixture
def agent(owner: User, queue: Queue) -> Agent:
    agent = make_agent(owner, queue=queue)
    Agent.objects.update(updated_at=Now() - LONG_AGO)
    return agent


def missing() -> list[str]:
    readiness.lookout.forget()
    return readiness.lookout.report().missing


def facts(name: str) -> Any:
    readiness.lookout.forget()
    (check,) = (check for check in readiness.lookout.report().checks if check.name == name)
    return check.facts


def let_wait(task: Task) -> Task:
    """Make it as if the task had become ready longer ago than a ready task may be."""
    write_past_the_trigger(task, updatedat=Now() - LONG_AGO)
    return task


def write_past_the_trigger(task: Task, **values: Any) -> None:
    """Change a row without moving the time of its last change."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        Task.objects.filter(pk=task.pk).update(**values)


def test_ready_when_everything_answers() -> None:
    assert missing() == []


@pytest.mark.parametrize(("name", "seconds", "is_named"), [
    (WORKER, 29, []), (WORKER, 31, ["workers"]), ("sweep", 59, []), ("sweep", 61, ["sweep"]),
])  # fmt: skip
def test_whoever_was_not_seen_for_too_long_is_missing(name: str, seconds: int, is_named: list[str]) -> None:
    Heartbeat.objects.filter(name=name).update(seen_at=Now() - timedelta(seconds=seconds))
    assert missing() == is_named


def test_one_living_worker_is_enough() -> None:
    heartbeats.beat(name="worker:there:2", role=Role.WORKER, started_at=timezone.now(), data={})
    Heartbeat.objects.filter(name=WORKER).update(seen_at=Now() - timedelta(hours=1))
    assert missing() == []


def test_operators_learn_which_workers_were_seen_and_when() -> None:
    (seen,) = facts("workers")["seen"]
    assert (seen["name"], seen["slots"], seen["running"]) == (WORKER, 4, 1)
    assert abs(timezone.now() - seen["seen_at"]) < timedelta(seconds=10)


def test_unapplied_migration_is_named() -> None:
    (last,) = MigrationLoader(connection).graph.leaf_nodes("tasks")
    recorder = MigrationRecorder(connection)
    # A question of its own: once all are applied it is not asked again.
    question = readiness._Migrations()
    recorder.record_unapplied(*last)
    try:
        assert question() == Finding(is_ok=False, facts={"missing": [".".join(last)]})
    finally:
        recorder.record_applied(*last)
    assert question().is_ok


DEAD = "unix:///nowhere/redis.sock?db=0"


@pytest.mark.parametrize(
    ("setting", "value", "name"),
    [
        ("CELERY_BROKER_URL", "redis+socket:///nowhere/redis.sock?virtual_host=2", "broker"),
        ("CACHES", {"default": {"LOCATION": DEAD}}, "cache"),
        ("CHANNEL_LAYERS", {"default": {"CONFIG": {"hosts": [{"address": DEAD}]}}}, "channel_layer"),
    ],
)
def test_each_database_of_redis_is_asked(setting: str, value: Any, name: str, settings: Settings) -> None:
    before = getattr(settings, setting)
    setattr(settings, setting, value)
    try:
        assert missing() == [name]
    finally:
        setattr(settings, setting, before)


class TestQueues:
    def test_task_that_nobody_takes_is_reported(self, agent: Agent) -> None:
        let_wait(make_task(agent))
        assert missing() == ["queues"]
        (waiting,) = facts("queues")["waiting"]
        assert waiting["name"] == agent.queue.name
        assert 301 <= waiting["oldest_ready_seconds"] < 400

    def test_task_that_came_just_now_is_not(self, agent: Agent) -> None:
        make_task(agent)
        assert missing() == []

    def test_zero_switches_it_off(self, agent: Agent, settings: Settings) -> None:
        let_wait(make_task(agent))
        settings.PERSONALQ_READY_TASK_SECONDS = 0
        assert missing() == []

    def test_limit_is_the_setting(self, agent: Agent, settings: Settings) -> None:
        let_wait(make_task(agent))
        settings.PERSONALQ_READY_TASK_SECONDS = 1000
        assert missing() == []

    def test_queue_in_which_work_starts_is_not_stuck(self, agent: Agent) -> None:
        tasks = [let_wait(make_task(agent)) for _ in range(2)]
        claim_next(agent.queue)
        assert missing() == []
        Task.objects.filter(pk=tasks[0].pk).update(started_at=Now() - LONG_AGO)
        assert missing() == ["queues"]

    def test_task_that_is_taken_in_the_moment_of_the_look_is_not_stuck(
        self, agent: Agent, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        let_wait(make_task(agent))
        monkeypatch.setattr(time, "sleep", lambda _: claim_next(agent.queue))
        assert missing() == []


def pause_queue(agent: Agent) -> None:
    Queue.objects.filter(pk=agent.queue_id).update(is_paused=True)


def pause_agent(agent: Agent) -> None:
    Agent.objects.filter(pk=agent.pk).update(is_paused=True)


def hold_agent(agent: Agent) -> None:
    Agent.objects.filter(pk=agent.pk).update(held_until_at=Now() + timedelta(minutes=1), held_code="usage_limit")


def release_agent_just_now(agent: Agent) -> None:
    Agent.objects.filter(pk=agent.pk).update(held_until_at=Now() - timedelta(seconds=10), held_code="usage_limit")


def fill_queue(agent: Agent) -> None:
    Queue.objects.filter(pk=agent.queue_id).update(concurrency_limit=1)
    run_one_for_long(agent)


def fill_agent(agent: Agent) -> None:
    Agent.objects.filter(pk=agent.pk).update(concurrency_limit=1)
    run_one_for_long(agent)


def run_one_for_long(agent: Agent) -> None:
    make_task(agent, order=-1)
    running = claim_next(agent.queue)
    Task.objects.filter(pk=running.pk).update(started_at=Now() - timedelta(hours=1))


def stop_everything(agent: Agent) -> None:
    SystemSetting.objects.create(name=STOP_SWITCH, value={"is_on": True})


def let_go_on_just_now(agent: Agent) -> None:
    SystemSetting.objects.create(name=STOP_SWITCH, value={"is_on": False})


def put_off(agent: Agent) -> None:
    write_past_the_trigger(Task.objects.get(agent=agent), not_before_at=Now() + timedelta(minutes=1))


def resume_queue_just_now(agent: Agent) -> None:
    Queue.objects.filter(pk=agent.queue_id).update(updated_at=Now())


@pytest.mark.parametrize("circumstance", [
    pause_queue, pause_agent, hold_agent, release_agent_just_now, fill_queue, fill_agent, stop_everything,
    let_go_on_just_now, put_off,
    resume_queue_just_now,
])  # fmt: skip
def test_task_that_nothing_could_start_is_not_stuck(circumstance: Callable[[Agent], None], agent: Agent) -> None:
    let_wait(make_task(agent))
    assert missing() == ["queues"]
    circumstance(agent)
    assert missing() == []


def test_look_leaves_no_limit_of_its_own_on_the_connection() -> None:
    assert missing() == []
    with readiness._bounded(), connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("2s",)
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("30s",)
