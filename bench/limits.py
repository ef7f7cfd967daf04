"""Do limits hold under fifty workers, what do they cost, and does one user's pile keep another one waiting?

    .venv/bin/python -m personalq.embedded.tool_env --servers -- .venv/bin/python bench/limits.py [--workers 50]

Workers are threads with database connections of their own that claim, hold a task for a while and complete it. For
each limit the highest number of tasks that ran at once (or started within one period) is compared with the limit, and
the throughput with what the limit allows. Ends with status 1 when a limit was passed, when less than 90 % of the
allowed throughput was reached, or when the lone task of the second user had to wait for more than one round.
"""

import argparse
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "personalq.settings")

import django
from django.core.management import call_command

if TYPE_CHECKING:
    from accounts.models import User
    from tasks.models import Agent, Queue

LIMIT: Final = 5
HOLD_SECONDS: Final = 0.5
ROUNDS: Final = 16
RATE, PERIOD_SECONDS = 20, 2
PILE: Final = 10_000
GOOD_SHARE: Final = 0.9
# A worker that found nothing is woken when a task ends, as by a nudge, or looks again by itself.
PATIENCE_SECONDS: Final = 0.25


@dataclass
class Result:
    """What one limit came to."""

    name: str
    limit: int
    highest: int
    share: float

    def show(self) -> bool:
        """Print one line; tells whether it is good."""
        print(
            f"{self.name:34} limit {self.limit:4}   highest {self.highest:4}   throughput {self.share:6.1%} of allowed"
        )
        return self.highest <= self.limit and self.share >= GOOD_SHARE


def make_owner() -> "User":
    from accounts.models import User  # noqa: PLC0415 - the settings must be there first

    return User.objects.create_user(username=f"bench-{uuid4().hex[:8]}", password=uuid4().hex)


def make_queue(owner: "User | None", **limits: Any) -> "Queue":
    from tasks.models import Queue  # noqa: PLC0415

    return Queue.objects.create(owner=owner, name=f"bench-{uuid4().hex[:8]}", **limits)


def make_agent(owner: "User", queue: "Queue", limit: int = 10_000) -> "Agent":
    from tasks import agents  # noqa: PLC0415

    return agents.create(
        actor=owner, name=f"bench-{uuid4().hex[:8]}", kind="echo", queue=queue, concurrency_limit=limit
    )


def submit(agent: "Agent", number: int) -> list[int]:
    from tasks import lifecycle  # noqa: PLC0415

    ids: list[int] = []
    while len(ids) < number:
        some = [lifecycle.Submission(agent=agent, prompt="x")] * min(500, number - len(ids))
        ids += [task.pk for task in lifecycle.submit_many(actor=agent.owner, submissions=some)]
    return ids


def work(queues: "list[Queue]", workers: int, total: int, hold_seconds: float) -> tuple[float, int]:
    """Let the workers carry `total` tasks out; the seconds it took, and how many ran at once at most."""
    from tasks import lifecycle  # noqa: PLC0415
    from tasks.claims import Claim  # noqa: PLC0415
    from tasks.models import Task  # noqa: PLC0415

    left, highest = [total], [0]
    ended = threading.Condition()

    def carry_out(number: int) -> None:
        queue = queues[number % len(queues)]
        while left[0] > 0:
            claimed = lifecycle.claim(queue_id=queue.pk, worker=str(number)).tasks
            if not claimed:
                with ended:
                    ended.wait(PATIENCE_SECONDS)
                continue
            highest[0] = max(highest[0], Task.objects.running().count())
            time.sleep(hold_seconds)
            lifecycle.complete(claim=Claim.of(claimed[0]), result="")
            with ended:
                left[0] -= 1
                ended.notify_all() if left[0] == 0 else ended.notify()

    begin = time.perf_counter()
    run_in_threads([lambda number=number: carry_out(number) for number in range(workers)])  # type: ignore[misc]
    return time.perf_counter() - begin, highest[0]


def run_in_threads(jobs: list[Callable[[], None]]) -> None:
    from django.db import connections  # noqa: PLC0415

    def run(job: Callable[[], None]) -> None:
        try:
            job()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=[job]) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def measure_concurrency(name: str, workers: int, queues: "list[Queue]", agents: "list[Agent]") -> Result:
    total = LIMIT * ROUNDS
    for agent in agents:
        submit(agent, total // len(agents))
    seconds, highest = work(queues, workers, total, HOLD_SECONDS)
    return Result(name, LIMIT, highest, ROUNDS * HOLD_SECONDS / seconds)


def queue_limit(workers: int) -> Result:
    owner = make_owner()
    queue = make_queue(owner, concurrency_limit=LIMIT)
    return measure_concurrency("concurrency of a queue", workers, [queue], [make_agent(owner, queue)])


def agent_limit(workers: int) -> Result:
    owner = make_owner()
    queues = [make_queue(owner, concurrency_limit=100) for _ in range(2)]
    agent = make_agent(owner, queues[0], LIMIT)
    return measure_concurrency("concurrency of an agent", workers, queues[:1], [agent])


def user_limit(workers: int) -> Result:
    from tasks.models import UserLimits  # noqa: PLC0415

    owner = make_owner()
    UserLimits.objects.create(user=owner, running_limit=LIMIT)
    queues = [make_queue(owner, concurrency_limit=100) for _ in range(4)]
    agents = [make_agent(owner, queue) for queue in queues]
    return measure_concurrency("concurrency of a user, 4 queues", workers, queues, agents)


def rate_limit(workers: int) -> Result:
    from tasks.models import Task  # noqa: PLC0415

    owner = make_owner()
    queue = make_queue(owner, concurrency_limit=100, rate_limit=RATE, rate_period_seconds=PERIOD_SECONDS)
    agent = make_agent(owner, queue)
    total = RATE * 5
    submit(agent, total)
    work([queue], workers, total, 0)
    starts = sorted(
        at.timestamp() for at in Task.objects.filter(queue=queue).values_list("started_at", flat=True) if at
    )
    highest = max(sum(1 for at in starts if first <= at < first + PERIOD_SECONDS) for first in starts)
    # The first period's worth starts at once, so it does not count.
    allowed = (total - RATE) / RATE * PERIOD_SECONDS
    return Result(f"starts in {PERIOD_SECONDS} s", RATE, highest, allowed / (starts[-1] - starts[0]))


def fairness(workers: int) -> bool:
    """One user queues thousands of tasks in a shared queue, then another user one."""
    from tasks.models import Task  # noqa: PLC0415

    queue = make_queue(None, concurrency_limit=LIMIT)
    pile, lone = make_agent(make_owner(), queue), make_agent(make_owner(), queue)
    submit(pile, PILE)
    lone_id: list[int] = []

    def come_later() -> None:
        time.sleep(1)
        lone_id.extend(submit(lone, 1))

    later = threading.Thread(target=come_later)
    later.start()
    seconds, highest = work([queue], workers, PILE // 10, 0.01)
    later.join()
    task = Task.objects.get(pk=lone_id[0])
    waited = (task.started_at - task.createdat).total_seconds() if task.started_at else float("inf")
    before = Task.objects.filter(
        agent=pile, started_at__gt=task.createdat, started_at__lt=task.started_at or task.createdat
    ).count()
    print(
        f"fairness: {PILE} tasks of one user against 1 of another: it waited {waited * 1000:.0f} ms behind {before} "
        f"others (highest {highest} of {LIMIT} at once, {PILE // 10 / seconds:.0f} tasks/s)"
    )
    return before <= LIMIT and highest <= LIMIT


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=50, help="threads that claim (50)")
    workers = parser.parse_args().workers
    os.environ["PERSONALQ_DATABASE_CONNECTIONS"] = str(workers + 5)
    os.environ["LOG_LEVEL"] = "WARNING"
    django.setup()
    call_command("migrate", verbosity=0)
    are_good = [measure(workers).show() for measure in (queue_limit, agent_limit, user_limit, rate_limit)]
    sys.exit(not (fairness(workers) and all(are_good)))


if __name__ == "__main__":
    main()
