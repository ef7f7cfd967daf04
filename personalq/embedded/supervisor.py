"""Starts everything in order, keeps it running, and stops everything in order."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Mapping
from functools import partial

from personalq.embedded import product
from personalq.embedded.children import Child, Children, quote_log
from personalq.embedded.console import say
from personalq.embedded.errors import ChildFailed, EmbeddedError, StopRequested
from personalq.embedded.keeper import Keeper
from personalq.embedded.layout import REPOSITORY, Layout
from personalq.embedded.lock import InstanceLock
from personalq.embedded.origin import Origin
from personalq.embedded.private_files import open_log
from personalq.embedded.product import Address, Part
from personalq.embedded.reaper import Reaper
from personalq.embedded.servers import start_servers
from personalq.embedded.waiting import StopSignals

READY_SECONDS = 60.0
MIGRATE_SECONDS = 600.0
OPERATOR_SECONDS = 30.0
WATCH_SECONDS = 0.5
WATCH_CLOSELY_SECONDS = 0.05
LOG_CHECK_SECONDS = 60.0


class Supervisor:
    """One run of the product. The caller holds `lock` and has installed `signals`."""

    def __init__(
        self,
        layout: Layout,
        address: Address,
        lock: InstanceLock,
        signals: StopSignals,
        environment: Mapping[str, str],
        *,
        own_servers: bool,
    ) -> None:
        self._layout = layout
        self._address = address
        self._lock = lock
        self._signals = signals
        self._environment = environment
        self._own_servers = own_servers
        self._origin = Origin()
        self._reaper = Reaper(held_descriptors=[lock.descriptor])
        self._children = Children(layout, self._reaper, signals.pause)
        self._keeper = Keeper(self._children)
        self._logs_checked_at = time.monotonic()

    def run(self) -> int:
        """Run until somebody asks to stop (returns 0) or something needed cannot be kept up (returns 1)."""
        try:
            self._start()
            while True:
                self._watch()
        except StopRequested as request:
            say(f"\nStopping ({request}) …")
            return 0
        except (EmbeddedError, OSError) as error:
            say(f"\n{error}")
            say("Stopping everything …")
            return 1
        finally:
            self._stop()

    def _start(self) -> None:
        if not self._own_servers:
            say("Starting PostgreSQL and Valkey …")
            pause = self._signals.pause
            servers = start_servers(self._layout, self._children, environment=self._environment, pause=pause)
            for server, child in servers:
                self._keeper.keep(server, child)
        say("Bringing the database up to date …")
        self._children.run(product.manage("migrate", self._environment, "migrate", "--no-input"), MIGRATE_SECONDS)
        operator = self._begin_first_operator()
        say("Starting web, worker and beat …")
        try:
            self._start_product()
        except EmbeddedError:
            # A password that was made must be shown even if this start fails: nobody will ever know it again.
            with contextlib.suppress(ChildFailed):
                say(self._read_first_operator(operator))
            raise
        self._greet(self._read_first_operator(operator))

    def _start_product(self) -> None:
        started = [(part, part.launch()) for part in self._parts()]
        for part, child in started:
            self._children.wait_ready(child, partial(part.is_ready, child), READY_SECONDS)
            self._keeper.keep(part, child)

    def _parts(self) -> list[Part]:
        def answers(_: Child) -> bool:
            return product.is_healthy(self._address)

        return [
            Part(self._children, product.web(self._address, self._environment), answers),
            Part(self._children, product.worker(self._environment), Child.has_announced_ready),
            Part(self._children, product.beat(self._environment), Child.has_announced_ready),
        ]

    def _begin_first_operator(self) -> subprocess.Popen[str]:
        """Run beside the start of the web process. Its answer may hold a password: a pipe, never a log."""
        log = open_log(self._layout.log_file("first-operator"))
        spec = product.manage("first-operator", self._environment, "ensure_first_operator")
        try:
            return subprocess.Popen(
                list(spec.command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=spec.directory,
                env=dict(spec.environment),
                text=True,
                start_new_session=True,
            )
        finally:
            os.close(log)

    def _read_first_operator(self, process: subprocess.Popen[str]) -> str:
        try:
            answer, _ = process.communicate(timeout=OPERATOR_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            answer, _ = process.communicate()
        if process.returncode != 0:
            log = self._layout.log_file("first-operator")
            raise ChildFailed(f"The first operator could not be made. {quote_log(log)}", log)
        return answer.strip()

    def _greet(self, sign_in: str) -> None:
        say(f"\nPersonal-Q is running at {self._address.url}\n")
        say(sign_in)
        if not self._address.is_loopback:
            say(
                "\nWarning: this listens beyond this machine without TLS. Passwords and tokens can be read "
                "on the way; put a TLS proxy in front (docs/operations.md)."
            )
        say(f"\nLogs: {self._layout.logs}\nStop with Ctrl-C.")

    def _watch(self) -> None:
        self._signals.pause(WATCH_SECONDS if self._keeper.is_settled else WATCH_CLOSELY_SECONDS)
        gone = self._origin.explain_end()
        if gone:
            raise StopRequested(gone)
        self._keeper.look()
        if time.monotonic() - self._logs_checked_at > LOG_CHECK_SECONDS:
            self._children.keep_logs_small()
            self._logs_checked_at = time.monotonic()

    def _stop(self) -> None:
        self._lock.announce_stop()
        self._children.stop_all()
        self._reaper.release()
        say("Stopped." if self._own_servers else f"Stopped. Your data are kept in {self._layout.root}")


def child_environment(layout: Layout, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of our Python children: ours, with the data directory spelt out."""
    return {
        **environment,
        "PERSONALQ_VAR": str(layout.root),
        "DJANGO_SETTINGS_MODULE": "personalq.settings",
        "PYTHONUNBUFFERED": "1",
        # Also for `python -m` when somebody started us from another directory.
        "PYTHONPATH": os.pathsep.join(filter(None, [str(REPOSITORY), environment.get("PYTHONPATH", "")])),
    }
