"""Runs the real supervisor as its own process, and looks at what it left behind."""

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import psycopg

from personalq.embedded.layout import REPOSITORY, Layout
from personalq.embedded.leftovers import read_record
from personalq.embedded.placement import remove_elsewhere
from personalq.embedded.processes import is_alive

# Long enough for a machine that is busy with other things; nothing waits longer than it must.
DEADLINE_SECONDS = 120.0
GREETING = "Stop with Ctrl-C."
EMPTY: Mapping[str, str] = {}
# Each process of a test run begins elsewhere.
_ports = itertools.count(20_000 + os.getpid() * 131 % 9_000)
# Makes standard input the controlling terminal of a new session, then becomes the command.
TAKE_TERMINAL = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
OWN_TERMINAL = [sys.executable, "-c", TAKE_TERMINAL]


def wait_for(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)


def find_free_port() -> int:
    """A port that nobody gets before it is bound: below those that the kernel gives to whoever asks for any."""
    for port in _ports:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError


def clean_environment(**more: str) -> dict[str, str]:
    """What a fresh shell has: nothing of what the running tests set for themselves."""
    kept = ("PATH", "HOME", "LANG", "PQ_PG_BIN", "PQ_REDIS_BIN", "LD_LIBRARY_PATH")
    return {name: os.environ[name] for name in kept if name in os.environ} | more


class Home:
    """One installation: a data directory and an env file, in which runs follow one another."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.env_file = directory / ".env"
        self.layout = Layout(directory / "var")
        self.runs: list[Run] = []

    def environment(self, **more: str) -> dict[str, str]:
        own = {"PERSONALQ_VAR": str(self.layout.root), "PERSONALQ_ENV_FILE": str(self.env_file)}
        return clean_environment(**own, **more)

    def command(self, port: int) -> list[str]:
        return [sys.executable, str(REPOSITORY / "manage.py"), "up", "--port", str(port)]

    def pids(self) -> dict[str, int]:
        """The recorded children of the current run."""
        entries = json.loads(self.layout.children_file.read_text())
        return {entry["name"]: entry["pid"] for entry in entries}

    def sql(self, statement: str) -> object:
        with psycopg.connect(
            host=str(self.layout.postgres_socket_dir), user="postgres", dbname="personalq", autocommit=True
        ) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchone() if cursor.description else None


class Run:
    """One `manage.py up`. Its output is a file, so that it never waits for us to read."""

    def __init__(
        self,
        home: Home,
        port: int | None = None,
        *,
        terminal: int | None = None,
        environment: Mapping[str, str] = EMPTY,
    ) -> None:
        self.home = home
        self.port = port or find_free_port()
        self._out = home.directory / "out.txt"
        with self._out.open("wb") as out:
            self.process = subprocess.Popen(
                [*(OWN_TERMINAL if terminal else []), *home.command(self.port)],
                stdin=terminal or subprocess.DEVNULL,
                stdout=terminal or out,
                stderr=terminal or out,
                env=home.environment(**environment),
            )
        home.runs.append(self)

    @property
    def output(self) -> str:
        return self._out.read_text()

    def wait_for_greeting(self) -> None:
        wait_for(lambda: GREETING in self.output or self.process.poll() is not None, "the greeting")
        assert GREETING in self.output, self.output

    def wait_for_end(self) -> int:
        return self.process.wait(DEADLINE_SECONDS)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Servers:
    """One run of tests.embedded.servers_only."""

    def __init__(self, home: Home, **environment: str) -> None:
        self.home = home
        self.layout = home.layout
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.embedded.servers_only", str(home.layout.root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=REPOSITORY,
            env=clean_environment(**environment),
            text=True,
        )
        assert self._process.stdout is not None
        self.reaper = int(self._process.stdout.readline() or 0)
        self.pids = home.pids() if self.reaper else {}

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> str:
        """End it in order. Returns what it wrote to standard error."""
        return self._process.communicate()[1]

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


def nothing_runs(home: Home, pids: dict[str, int]) -> bool:
    """Whether every one of the processes is gone, and with them the lock."""
    return not any(is_alive(pid) for pid in pids.values()) and not any(
        leftover.is_running() for leftover in read_record(home.layout)
    )


def clear_away(home: Home) -> None:
    """What a test leaves, above all a failed one, must not outlive it."""
    for run in home.runs:
        # First, because it would start again what is ended below.
        run.kill()
    for leftover in read_record(home.layout):
        leftover.send(signal.SIGKILL)
    remove_elsewhere(home.layout)
