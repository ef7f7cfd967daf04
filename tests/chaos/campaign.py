"""One whole run: start, feed, disturb, wait for quiet, look."""

import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg

from tests.chaos.asked import Asked
from tests.chaos.disturbances import Done, disturb
from tests.chaos.feeding import Feeder
from tests.chaos.figures import Campaign
from tests.chaos.history import History, read_history
from tests.chaos.installation import Installation, installed, make_agents
from tests.chaos.invariants import find_violations
from tests.chaos.schedule import make_schedule

# The least time in which some task must end, or the product counts as stuck.
PROGRESS_SECONDS: Final = 120.0
FEEDING_PATIENCE_SECONDS: Final = 300.0
LEFTOVER_SECONDS: Final = 15.0
LOOK_SECONDS: Final = 0.5


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much, how hard, and the seed of every choice."""

    tasks: int
    kills: int
    seed: int
    gap_seconds: float = 3.0
    lease_seconds: int = 5


def carry_out(plan: Plan, directory: Path) -> Campaign:
    """Run a campaign in a directory of its own. What it found is in the answer, not raised."""
    began = time.monotonic()
    with installed(directory, lease_seconds=plan.lease_seconds) as installation:
        asked, done = _work_under_fire(plan, installation)
        history = _wait_for_quiet(installation)
        leftovers = _wait_for_leftovers(installation)
    violations = find_violations(asked, history)
    if leftovers:
        violations["no_process_is_left_over"] = [f"process {pid}" for pid in leftovers]
    return Campaign(
        seed=plan.seed,
        lease_seconds=plan.lease_seconds,
        asked=asked,
        done=done,
        history=history,
        leftovers=leftovers,
        seconds=time.monotonic() - began,
        violations=violations,
    )


def _work_under_fire(plan: Plan, installation: Installation) -> tuple[Asked, list[Done]]:
    asked = Asked()
    schedule = make_schedule(plan.seed, plan.kills, plan.gap_seconds)
    door = installation.wait_until_started()
    crowds = make_agents(door)
    seconds = sum(gap for gap, _ in schedule)
    feeder = Feeder(door, asked, crowds, seed=plan.seed, total=plan.tasks, seconds=seconds)
    feeder.start()
    chance = random.Random(f"{plan.seed} disturbances")
    done = []
    for gap, name in schedule:
        time.sleep(gap)
        done.append(disturb(name, installation, chance))
    assert feeder.wait(FEEDING_PATIENCE_SECONDS), f"only {len(asked.accepted)} tasks were accepted"
    return asked, done


def _wait_for_quiet(installation: Installation) -> History:
    """The history once nothing waits or runs any more, or once nothing has moved for too long."""
    left, moved_at = -1, time.monotonic()
    while time.monotonic() - moved_at < PROGRESS_SECONDS:
        now_left = _count_unfinished(installation)
        if now_left == 0:
            break
        if now_left not in {left, -1}:
            left, moved_at = now_left, time.monotonic()
        time.sleep(LOOK_SECONDS)
    with installation.database() as connection:
        return read_history(connection)


def _count_unfinished(installation: Installation) -> int:
    """How many tasks are ready or running; -1 while the database is away."""
    try:
        with installation.database() as connection:
            row = connection.execute("SELECT count(*) FROM tasks WHERE status IN (0, 4)").fetchone()
    except psycopg.Error:
        return -1
    return int(row[0]) if row else -1


def _wait_for_leftovers(installation: Installation) -> list[int]:
    deadline = time.monotonic() + LEFTOVER_SECONDS
    while (left := installation.find_leftovers()) and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
    return left
