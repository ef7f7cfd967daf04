"""Runs PostgreSQL as a child, reachable only through a unix socket in a private directory."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path

import psycopg
from psycopg import sql

from personalq.embedded.binaries import read_postgres_major
from personalq.embedded.children import Child, Children, ChildSpec
from personalq.embedded.errors import ChildFailed, EmbeddedError
from personalq.embedded.layout import Layout
from personalq.embedded.placement import Placement
from personalq.embedded.processes import is_alive, kill_all, read_command_line
from personalq.embedded.service_account import ServiceAccount
from personalq.embedded.waiting import Pause, wait_until

START_SECONDS = 60.0
STOP_SECONDS = 20.0
ORPHANS_SECONDS = 10.0
# The kernel needs a moment to give back the shared memory of a server that was killed.
SHARED_MEMORY_SECONDS = 10.0
# The server's own word in postmaster.pid; asking it would cost a connection.
STATUS_LINE = 7
BUILTIN_LOCALE_SINCE = 17
CONNECTIONS = 100
CONNECTIONS_OF_PARALLEL_TESTS = 400
# Roles that somebody makes beside ours have passwords, and these count. We ourselves need none: only the owner of the
# socket's directory gets to the socket, and whoever is that could read ours.
ACCESS_FILE = "pg_hba.conf"
ACCESS_RULES = (
    "# Kept by Personal-Q; the first rule that fits counts.\nlocal all {user} trust\nlocal all all scram-sha-256\n\n"
)
FAST_AND_FORGETFUL = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")


class Postgres:
    """One PostgreSQL server. `durable=False` is for tests: fast, and lost with the machine."""

    def __init__(
        self,
        layout: Layout,
        children: Children,
        account: ServiceAccount,
        placement: Placement,
        *,
        durable: bool,
        pause: Pause,
    ) -> None:
        self._layout = layout
        self._children = children
        self._account = account
        self._data = placement.data
        self._binaries = placement.binaries
        self._sockets = placement.sockets
        self._major = read_postgres_major(placement.binaries)
        self._durable = durable
        self._connections = CONNECTIONS if durable else CONNECTIONS_OF_PARALLEL_TESTS
        self._pause = pause

    def launch(self) -> Child:
        """Make the data directory unless it is there, clear the way, and start the server without waiting for it."""
        self._prepare()
        return self._children.start(self._spec("postgres", self._command()))

    def _prepare(self) -> None:
        if self._data.exists():
            self._check_major()
            self._end_predecessor()
            self._remove_stale_locks()
        else:
            self._initialise()
        self._ask_others_for_passwords()

    def _command(self) -> tuple[str, ...]:
        return (
            *(str(self._binaries / "postgres"), "-D", str(self._data)),
            *("-c", "listen_addresses=", "-c", f"unix_socket_directories={self._sockets}"),
            *("-c", "unix_socket_permissions=0700", "-c", f"port={self._layout.database_port}"),
            *("-c", f"max_connections={self._connections}", "-c", "shared_buffers=32MB"),
            # A statement or a row quoted in the log may hold somebody's prompt.
            *("-c", "log_min_error_statement=panic", "-c", "log_error_verbosity=terse"),
            *(() if self._durable else FAST_AND_FORGETFUL),
        )

    def wait_ready(self, child: Child) -> Child:
        """Wait for the server, starting it again while the kernel still holds its predecessor's memory."""

        def try_again() -> bool:
            nonlocal child
            if self._is_blocked_by_predecessor(child):
                self._children.stop(child)
                child = self.launch()
            return child.has_ended() or self.is_ready(child)

        wait_until(lambda: child.has_ended() or self.is_ready(child), START_SECONDS, self._pause)
        if self._is_blocked_by_predecessor(child):
            wait_until(try_again, SHARED_MEMORY_SECONDS, self._pause)
        self._children.wait_ready(child, lambda: self.is_ready(child), START_SECONDS)
        return child

    def is_ready(self, child: Child) -> bool:
        """Whether the server says of itself that it takes connections, after repairing its data if need be."""
        lines = self._read_status()
        is_told = len(lines) > STATUS_LINE and lines[STATUS_LINE].strip() == "ready"
        return is_told and self._read_lock_pid() == child.pid

    def create_database(self) -> None:
        """Create the product's database unless it exists."""
        name = self._layout.database_name
        with psycopg.connect(
            host=str(self._layout.postgres_socket_dir),
            port=self._layout.database_port,
            user=self._layout.database_user,
            dbname="postgres",
            autocommit=True,
        ) as connection:
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def _spec(self, name: str, command: tuple[str, ...]) -> ChildSpec:
        return ChildSpec(
            name=name,
            command=(*self._account.prefix, *command),
            environment=server_environment(os.environ),
            directory=Path("/"),
            # Fast shutdown; SIGTERM would wait until every client has gone.
            stop_signal=signal.SIGINT,
            stop_seconds=STOP_SECONDS,
            user=self._account.user,
            group=self._account.group,
            log_name="postgres",
        )

    def _initialise(self) -> None:
        """Build the data directory aside and rename it: an interrupted attempt leaves nothing in the way."""
        fresh = self._data.with_name("postgres.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        if self._account.user is not None:
            os.chown(fresh, self._account.user, self._account.group or -1)
        command = (
            *(str(self._binaries / "initdb"), "-D", str(fresh), "-U", self._layout.database_user),
            # Trust is right for ourselves: only the owner of the socket's directory gets to the socket.
            *("-A", "trust", "-E", "UTF8", *locale_options(self._major)),
            *(() if self._durable else ("--no-sync",)),
        )
        self._children.run(self._spec("initdb", command), START_SECONDS * 2)
        fresh.rename(self._data)

    def _ask_others_for_passwords(self) -> None:
        """Put our rules before those of initdb, or of an earlier version, unless they are there."""
        rules = self._data / ACCESS_FILE
        ours, found = ACCESS_RULES.format(user=self._layout.database_user), rules.read_text()
        if found.startswith(ours):
            return
        fresh = rules.with_name(ACCESS_FILE + ".new")
        fresh.write_text(ours + found)
        # The mode and, when we are root, the owner that the server needs to read it.
        shutil.copymode(rules, fresh)
        os.chown(fresh, rules.stat().st_uid, rules.stat().st_gid)
        fresh.rename(rules)

    def _check_major(self) -> None:
        try:
            found = int((self._data / "PG_VERSION").read_text())
        except (OSError, ValueError) as error:
            raise EmbeddedError(f"{self._data} is not a PostgreSQL data directory. Move it away.") from error
        if found != self._major:
            raise EmbeddedError(
                f"The data in {self._data} were written by PostgreSQL {found}, but this is {self._major}. "
                f"Name the programs of {found} with PQ_PG_BIN, or dump with the old, load with the new "
                "(docs/embedded.md)."
            )

    def _end_predecessor(self) -> None:
        """Stop an old server of these data, or what is left of one whose main process was killed.

        Its backends notice that only between two statements. As long as one of them runs the memory they share
        is in use, and a new server refuses to start beside it.
        """
        pid = self._read_lock_pid()
        if self._is_our_server(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)
            if not wait_until(lambda: not is_alive(pid), STOP_SECONDS, self._pause):
                raise EmbeddedError(f"An old PostgreSQL (pid {pid}) does not stop. Look at it, then: kill -QUIT {pid}")
        # What they were writing is in the log of changes or was never promised: the start sorts it out.
        wait_until(lambda: not kill_all("postgres", working_in=self._data), ORPHANS_SECONDS, self._pause)

    def _remove_stale_locks(self) -> None:
        """Remove lock files that name a dead, reused or never reaped process.

        PostgreSQL itself only asks whether the number exists, so a zombie or a stranger
        with that number would keep it from starting for ever. We hold the instance lock,
        so nobody else is starting it right now.
        """
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        socket = self._layout.postgres_socket_dir / f".s.PGSQL.{self._layout.database_port}"
        socket.unlink(missing_ok=True)
        socket.with_name(socket.name + ".lock").unlink(missing_ok=True)

    def _is_our_server(self, pid: int) -> bool:
        return is_alive(pid) and str(self._data) in read_command_line(pid)

    def _read_status(self) -> list[str]:
        try:
            return (self._data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return []

    def _read_lock_pid(self) -> int:
        lines = self._read_status()
        return int(lines[0]) if lines and lines[0].strip().isdigit() else 0

    def _is_blocked_by_predecessor(self, child: Child) -> bool:
        failure: ChildFailed | None = child.explain_end() if child.has_ended() else None
        return failure is not None and "is still in use" in str(failure)


def locale_options(major: int) -> tuple[str, ...]:
    """Options for initdb. Without a UTF-8 locale, case-insensitive search would know only ASCII."""
    if major >= BUILTIN_LOCALE_SINCE:
        return ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
    return ("--locale=C.UTF-8",)


def server_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """What PostgreSQL and Valkey get of our environment: no secret, and no locale that may be missing."""
    kept = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR")
    return {"LC_ALL": "C", "TZ": "UTC"} | {name: environment[name] for name in kept if name in environment}
