"""Schedules in a whole product: real ticks of beat, real tasks, and beats that die or are two."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest
import redis

from personalq.embedded.layout import REPOSITORY
from tests.embedded.running import DEADLINE_SECONDS, wait_for
from tests.product.caller import Caller
from tests.product.conftest import Stage
from tests.product.installation import Installation
from tests.product.test_rotation import connect

pytestmark = pytest.mark.product
EVERY = timedelta(seconds=1)


@contextmanager
def scheduled(operator: Caller, agent: str) -> Iterator[str]:
    """A schedule that is due each second and leaves no time out."""
    often = {"timing": "interval", "every_seconds": 1, "overlap_policy": "allow", "catch_up_policy": "all"}
    made = operator.call("POST", "/schedules", {"name": f"tick {uuid4()}", "agent": agent, "prompt": "Tick.", **often})
    try:
        yield made["uuid"]
    finally:
        operator.call("DELETE", f"/schedules/{made['uuid']}")


@pytest.fixture
def schedule(stage: Stage, echo: str) -> Iterator[str]:
    with scheduled(stage.operator, echo) as schedule:
        yield schedule


@pytest.fixture
def echo(stage: Stage) -> str:
    return stage.operator.make_agent(f"says ticks {uuid4()}", "echo", word_delay_ms=0)


def fires(operator: Caller, schedule: str) -> list[Any]:
    """What became of each time so far, oldest first."""
    found: list[Any] = []
    path = f"/schedules/{schedule}/fires?page_size=100"
    while path:
        page = operator.get(path)
        found += page["results"]
        path = (page["next"] or "").partition("/api/v1")[2]
    return found[::-1]


def wait_for_more(operator: Caller, schedule: str, number: int = 3) -> None:
    before = len(fires(operator, schedule))
    wait_for(lambda: len(fires(operator, schedule)) >= before + number, "the schedule to go on")


def tasks_of(installation: Installation, schedule: str) -> set[str]:
    """The tasks that it brought in, as the database knows them."""
    with connect(installation) as connection:
        rows = connection.execute(
            "SELECT tasks.uuid FROM tasks JOIN schedules ON schedules.id = tasks.schedule_id WHERE schedules.uuid = %s",
            [schedule],
        )
        return {str(uuid) for (uuid,) in rows}


def assert_each_time_fired_once(stage: Stage, schedule: str) -> None:
    """No time is left out, none came twice, and each of them became one task, which completes."""
    found = fires(stage.operator, schedule)
    assert {fire["outcome"] for fire in found} == {"fired"}
    times = [datetime.fromisoformat(fire["due_at"]) for fire in found]
    assert {later - earlier for earlier, later in pairwise(times)} == {EVERY}
    tasks = [fire["task"] for fire in found]
    assert len(set(tasks)) == len(tasks)
    assert set(tasks) == tasks_of(stage.installation, schedule)
    for task in tasks:
        done = stage.operator.wait_until(task, "complete")
        assert (done["result"], done["attempts"], done["schedule"]) == ("Tick.", 1, schedule)


def test_schedule_fires_real_tasks_until_it_is_paused(stage: Stage, echo: str, schedule: str) -> None:
    operator = stage.operator
    wait_for_more(operator, schedule)
    operator.call("POST", f"/schedules/{schedule}/pause")
    brought = tasks_of(stage.installation, schedule)
    with scheduled(operator, echo) as other:
        # The clock goes on, as the other one shows.
        wait_for_more(operator, other)
    assert tasks_of(stage.installation, schedule) == brought
    assert_each_time_fired_once(stage, schedule)
    operator.call("POST", f"/schedules/{schedule}/resume")
    wait_for_more(operator, schedule)


def test_beat_that_dies_loses_no_time_and_fires_none_twice(stage: Stage, schedule: str) -> None:
    operator = stage.operator
    for _ in range(2):
        wait_for_more(operator, schedule)
        kill_beat(stage.installation)
    wait_for_more(operator, schedule)
    operator.call("POST", f"/schedules/{schedule}/pause")
    assert_each_time_fired_once(stage, schedule)


def kill_beat(installation: Installation) -> None:
    """The product starts another one by itself."""
    killed = installation.home.pids()["beat"]
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: installation.home.pids().get("beat", killed) != killed, "another beat")


def test_two_beats_at_once_fire_no_time_twice(stage: Stage, schedule: str) -> None:
    operator, installation = stage.operator, stage.installation
    with second_beat(installation) as other:
        both = (installation.home.pids()["beat"], other)
        wait_for_ticks_of(installation, *both)
        wait_for_more(operator, schedule, 8)
        wait_for_ticks_of(installation, *both)
    operator.call("POST", f"/schedules/{schedule}/pause")
    assert_each_time_fired_once(stage, schedule)


@contextmanager
def second_beat(installation: Installation) -> Iterator[int]:
    """One more beat, as on another machine; its process."""
    environment = installation.home.environment(**installation.settings, DJANGO_SETTINGS_MODULE="personalq.settings")
    with (installation.home.directory / "second-beat.log").open("wb") as log:
        beat = subprocess.Popen(
            [
                *(sys.executable, "-m", "personalq.embedded.celery_child", "-q", "-A", "personalq", "beat"),
                *("--scheduler", "celery.beat:Scheduler", "--pidfile="),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=REPOSITORY,
            env=environment,
        )
    try:
        yield beat.pid
    finally:
        beat.kill()
        beat.wait()


def wait_for_ticks_of(installation: Installation, *beats: int) -> None:
    """Until each of these processes has asked for a look at the schedules; messages say who sent them."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    silent = {f"gen{pid}@" for pid in beats}
    with redis.Redis.from_url(installation.home.layout.redis_url(0)) as client, client.monitor() as monitor:
        # There is always a next command: the product's own beat goes on.
        for command in monitor.listen():
            if "tasks.jobs.fire_schedules" in command["command"]:
                silent = {sender for sender in silent if sender not in command["command"]}
            if not silent:
                return
            assert time.monotonic() < deadline, f"no tick of {silent}"
