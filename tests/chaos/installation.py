"""A product of one's own, and a second worker beside it, as it would run on another machine."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
import redis

from personalq.embedded.layout import REPOSITORY
from personalq.embedded.processes import is_alive
from tests.chaos.door import Door
from tests.chaos.feeding import Crowd
from tests.embedded.running import Home, Run, clear_away

PROGRAMS: Final = Path(__file__).with_name("programs")
COMMANDS: Final = {
    "copy": "/bin/cat",
    "stubborn": ["/bin/sh", str(PROGRAMS / "stubborn.sh")],
    "daemon": ["/bin/sh", str(PROGRAMS / "daemon.sh")],
}
SECOND_WORKER: Final = "second worker"
CONNECT_SECONDS: Final = 2
END_SECONDS: Final = 60
LAST_WORDS: Final = 5000
# Each says its prompt back; how often each is asked, and what it is made of.
AGENTS: Final[dict[str, tuple[int, dict[str, Any]]]] = {
    "quick": (50, {"kind": "echo", "word_delay_ms": 5}),
    "slow": (20, {"kind": "echo", "word_delay_ms": 700}),
    "copy": (15, {"kind": "command", "command": "copy"}),
    "stubborn": (7, {"kind": "command", "command": "stubborn"}),
    "daemon": (8, {"kind": "command", "command": "daemon"}),
}
LIMITS: Final = {"max_attempts": 20, "timeout_seconds": 300, "concurrency_limit": 50}


class Installation:
    """The running product: its doors, its processes, its servers."""

    def __init__(self, directory: Path, *, lease_seconds: int) -> None:
        """Take a directory that is the installation's own, and short: sockets lie below it."""
        self.lease_seconds: Final = lease_seconds
        self.home: Final = Home(directory)
        self.scratch: Final = directory / "scratch"
        self._settings = {
            "PERSONALQ_LEASE_SECONDS": str(lease_seconds),
            "PERSONALQ_COMMANDS": json.dumps(COMMANDS),
            "PERSONALQ_SCRATCH_DIR": str(self.scratch),
            "PERSONALQ_ACCESS_TOKEN_SECONDS": "3600",
            "PERSONALQ_RATE_TASK_CREATE": "1000000/m",
            "PERSONALQ_RATE_TASK_CHANGE": "1000000/m",
        }
        self.run: Final = Run(self.home, environment=self._settings)
        self._second: subprocess.Popen[bytes] | None = None

    def wait_until_started(self) -> Door:
        """The door of the product, once everything is at work, the second worker too."""
        self.run.wait_for_greeting()
        self._second = self._start_second_worker()
        return self._open_door()

    def _open_door(self) -> Door:
        found = re.search(r"Sign in as (\S+) with the password (\S+)", self.run.output)
        assert found is not None, self.run.output
        return Door(self.run.port, found[1], found[2])

    # --- Processes ------------------------------------------------------------------------------------

    def pid(self, name: str) -> int:
        """The process of a part at this moment; 0 while it is on its way back.

        Raises AssertionError when the product has given up.
        """
        assert self.run.process.poll() is None, self.run.output[-LAST_WORDS:]
        if name == SECOND_WORKER:
            return self._second.pid if self._second else 0
        pid = self.home.pids().get(name, 0)
        return pid if is_alive(pid) else 0

    def start_second_worker_again(self) -> None:
        """Nobody else does, as it is not the supervisor's child."""
        self._end_second_worker()
        self._second = self._start_second_worker()

    def _end_second_worker(self) -> None:
        if self._second is not None:
            self._second.wait(END_SECONDS)

    def _start_second_worker(self) -> "subprocess.Popen[bytes]":
        environment = self.home.environment(**self._settings, DJANGO_SETTINGS_MODULE="personalq.settings")
        with (self.home.directory / "second-worker.log").open("ab") as log:
            return subprocess.Popen(
                [
                    *(sys.executable, "-m", "personalq.embedded.celery_child", "-q", "-A", "personalq", "worker"),
                    *("-P", "threads", "-c", "4", "-Q", "personalq", "-n", "second@%h", "--loglevel", "WARNING"),
                    *("--without-gossip", "--without-mingle"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=REPOSITORY,
                env=environment,
                start_new_session=True,
            )

    def find_leftovers(self) -> list[int]:
        """Processes of attempts that still run: their home lies below our scratch directory."""
        mark = b"HOME=" + os.fsencode(self.scratch)
        return [pid for pid in _list_pids() if mark in _read_environment(pid)]

    # --- Servers --------------------------------------------------------------------------------------

    @contextmanager
    def database(self) -> Iterator["psycopg.Connection[Any]"]:
        layout = self.home.layout
        with psycopg.connect(
            host=str(layout.postgres_socket_dir),
            user=layout.database_user,
            dbname=layout.database_name,
            connect_timeout=CONNECT_SECONDS,
            autocommit=True,
        ) as connection:
            yield connection

    def valkey(self) -> redis.Redis:
        return redis.Redis.from_url(self.home.layout.redis_url(0), socket_timeout=CONNECT_SECONDS)

    # --- The end ----------------------------------------------------------------------------------------

    def stop(self) -> None:
        """End everything in order; raises AssertionError when the product was not running to the end."""
        assert self.run.process.poll() is None, self.run.output[-LAST_WORDS:]
        if self._second is not None:
            self._second.terminate()
        self._end_second_worker()
        self.run.process.terminate()
        assert self.run.wait_for_end() == 0

    def clear_away(self) -> None:
        """End what is left by force."""
        if self._second is not None:
            self._second.kill()
        self._end_second_worker()
        clear_away(self.home)


@contextmanager
def installed(directory: Path, *, lease_seconds: int) -> Iterator[Installation]:
    """An installation whose start has begun, and of which nothing runs afterwards, whatever happened."""
    installation = Installation(directory, lease_seconds=lease_seconds)
    try:
        yield installation
        installation.stop()
    finally:
        installation.clear_away()


def make_agents(door: Door) -> list[Crowd]:
    for name, (_, fields) in AGENTS.items():
        door.insist("POST", "/api/v1/agents", {"name": name, **LIMITS, **fields})
    return [Crowd(name, weight) for name, (weight, _) in AGENTS.items()]


def make_directory() -> Path:
    """A new directory with a short name."""
    return Path(tempfile.mkdtemp(prefix="personalq-chaos-"))


def wait_until_there(installation: Installation, name: str, seconds: float) -> int:
    """The process of a part, waited for while it is on its way back. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not (pid := installation.pid(name)):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{name} did not come back within {seconds:.0f} s")
        time.sleep(0.05)
    return pid


def _list_pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]


def _read_environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""
