"""What is done to a running product. Each of these costs seconds at most, and no task."""

import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import celery
import psycopg
import redis
from kombu.exceptions import OperationalError as BrokerAway

from personalq.embedded.waiting import wait_until
from tests.chaos.installation import SECOND_WORKER, Installation, wait_until_there

PATIENCE_SECONDS: Final = 90.0
JUNK_MESSAGES: Final = 500
# A worker that sleeps so much longer than its lease holds nothing any more when it wakes.
FROZEN_LEASES: Final = 3.0
# How long to wait for a worker to have something to do.
BUSY_SECONDS: Final = 5.0
AWAY: Final = (psycopg.Error, redis.RedisError, BrokerAway, OSError)


@dataclass(frozen=True)
class Done:
    """One disturbance, when it was complete, and the process that it killed or froze (or 0)."""

    name: str
    at: datetime
    pid: int = 0


Disturbance = Callable[[Installation, random.Random], int]


def disturb(name: str, installation: Installation, chance: random.Random) -> Done:
    """Do it as soon as what it needs is there. Raises TimeoutError when that does not come back."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            at = datetime.now(UTC)
            return Done(name, at, DISTURBANCES[name](installation, chance))
        except AWAY as error:
            if time.monotonic() > deadline:
                raise TimeoutError(f"'{name}' met {error!r} for {PATIENCE_SECONDS:.0f} s") from error
            time.sleep(0.2)


# --- Ends of processes -------------------------------------------------------------------------------


def _signal(part: str, number: signal.Signals, installation: Installation, _chance: random.Random) -> int:
    pid = wait_until_there(installation, part, PATIENCE_SECONDS)
    os.kill(pid, number)
    if part == SECOND_WORKER:
        installation.start_second_worker_again()
    return pid


def _freeze_a_worker(installation: Installation, chance: random.Random) -> int:
    """Wake it at the very moment when another has taken over what it still believes to carry out."""
    pid = wait_until_there(installation, chance.choice(["worker", SECOND_WORKER]), PATIENCE_SECONDS)
    wait_until(lambda: bool(_running_on(installation, pid)), BUSY_SECONDS)
    os.kill(pid, signal.SIGSTOP)
    try:
        carried = _running_on(installation, pid)
        patience = installation.lease_seconds * FROZEN_LEASES
        wait_until(lambda: _is_any_taken_over(installation, carried), patience)
    finally:
        os.kill(pid, signal.SIGCONT)
    return pid


def _running_on(installation: Installation, pid: int) -> list[tuple[int, int]]:
    """The tasks that a worker process carries out, each with its attempt."""
    with installation.database() as connection:
        rows = connection.execute(
            "SELECT t.id, t.attempts FROM tasks t JOIN task_events e ON e.task_id = t.id AND e.attempt = t.attempts "
            "WHERE t.status = 4 AND e.kind = 'task_started' AND e.data->>'worker' LIKE %s",
            [f"%:{pid}"],
        ).fetchall()
        return [(row[0], row[1]) for row in rows]


def _is_any_taken_over(installation: Installation, carried: list[tuple[int, int]]) -> bool:
    before = dict(carried)
    with installation.database() as connection:
        query = "SELECT id, attempts FROM tasks WHERE status = 4 AND id = ANY(%s)"
        return any(attempts > before[task] for task, attempts in connection.execute(query, [list(before)]).fetchall())


# --- Servers -----------------------------------------------------------------------------------------


def _flush_valkey(installation: Installation, _chance: random.Random) -> int:
    installation.valkey().flushall()
    return 0


def _cut_valkey_connections(installation: Installation, _chance: random.Random) -> int:
    for kind in ("normal", "pubsub"):
        installation.valkey().client_kill_filter(_type=kind, skipme=True)
    return 0


def _cut_database_connections(installation: Installation, _chance: random.Random) -> int:
    with installation.database() as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    return 0


# --- Hints and leases ----------------------------------------------------------------------------------


def _fill_the_broker(installation: Installation, chance: random.Random) -> int:
    """Nudges for queues that are not there, and orders to stop attempts that are long over."""
    with celery.Celery(broker=installation.home.layout.celery_broker_url(2), set_as_current=False) as sender:
        send = partial(sender.send_task, "tasks.jobs.work_queue", queue="personalq", retry=False)
        for _ in range(JUNK_MESSAGES):
            send(args=[chance.choice([1, chance.randint(2, 10**6)])], expires=60)
        for number in _ended_tasks(installation):
            sender.control.broadcast("stop_attempt", arguments={"task_id": number, "attempt": 1})
    return 0


def _ended_tasks(installation: Installation) -> list[int]:
    with installation.database() as connection:
        rows: list[tuple[Any, ...]] = connection.execute("SELECT id FROM tasks WHERE status = 1 LIMIT 20").fetchall()
        return [row[0] for row in rows]


def _expire_a_lease(installation: Installation, chance: random.Random) -> int:
    """As if the clock had jumped for the worker that holds it."""
    with installation.database() as connection:
        running = connection.execute("SELECT id FROM tasks WHERE status = 4 ORDER BY id").fetchall()
        if running:
            connection.execute(
                "UPDATE tasks SET lease_expires_at = now() - interval '1 minute' WHERE id = %s AND status = 4",
                chance.choice(running),
            )
    return 0


DISTURBANCES: Final[dict[str, Disturbance]] = {
    "kill worker": partial(_signal, "worker", signal.SIGKILL),
    "kill second worker": partial(_signal, SECOND_WORKER, signal.SIGKILL),
    "kill web": partial(_signal, "web", signal.SIGKILL),
    "kill beat": partial(_signal, "beat", signal.SIGKILL),
    "kill valkey": partial(_signal, "valkey", signal.SIGKILL),
    "kill postgres": partial(_signal, "postgres", signal.SIGKILL),
    "restart valkey": partial(_signal, "valkey", signal.SIGTERM),
    "restart postgres": partial(_signal, "postgres", signal.SIGINT),
    "flush valkey": _flush_valkey,
    "cut valkey connections": _cut_valkey_connections,
    "cut database connections": _cut_database_connections,
    "fill the broker": _fill_the_broker,
    "expire a lease": _expire_a_lease,
    "freeze a worker": _freeze_a_worker,
}
