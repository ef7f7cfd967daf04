"""Starts, watches and stops child processes, and leaves a record of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from personalq.embedded.console import read_tail
from personalq.embedded.errors import ChildFailed
from personalq.embedded.layout import Layout
from personalq.embedded.private_files import inherit_owner, keep_small, open_log
from personalq.embedded.processes import read_identity
from personalq.embedded.reaper import Reaper
from personalq.embedded.waiting import Pause, wait_until


@dataclass(frozen=True, kw_only=True)
class ChildSpec:
    """What to start. `user` and `group` only matter when we are root."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    directory: Path
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10.0
    user: int | None = None
    group: int | None = None
    announces_ready: bool = False
    log_name: str = ""


@dataclass
class Child:
    spec: ChildSpec
    process: subprocess.Popen[bytes]
    log: Path
    log_start: int
    identity: str
    ready_descriptor: int | None = None
    is_ready: bool = field(default=False)

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def pid(self) -> int:
        return self.process.pid

    def has_ended(self) -> bool:
        return self.process.poll() is not None

    @property
    def was_killed(self) -> bool:
        """Whether it ended by SIGKILL, which nobody sends to oneself."""
        return self.process.poll() == -signal.SIGKILL

    def explain_end(self) -> ChildFailed:
        """The error that tells why this child ended: its status and its last words."""
        status = self.process.poll()
        how = f"was killed by {signal.Signals(-status).name}" if status and status < 0 else f"ended with {status}"
        return ChildFailed(f"{self.name} {how}. {self.quote_log()}", self.log)

    def has_announced_ready(self) -> bool:
        """Whether the child wrote to the pipe named by PERSONALQ_READY_FD."""
        if not self.is_ready and self.ready_descriptor is not None:
            try:
                self.is_ready = bool(os.read(self.ready_descriptor, 1))
            except BlockingIOError:
                return False
        return self.is_ready

    def quote_log(self) -> str:
        return quote_log(self.log, self.log_start)

    def send(self, number: signal.Signals) -> None:
        if not self.has_ended():
            self.process.send_signal(number)

    def kill_group(self) -> None:
        """Every child leads its own session, so its own children end with it."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        except PermissionError:
            self.process.kill()


def quote_log(log: Path, since: int = 0) -> str:
    """The end of a log as part of a message; only what was written after byte `since`."""
    tail = read_tail(log, since)
    if not tail:
        return f"It wrote nothing to {log}."
    return f"The end of {log}:\n" + "\n".join(f"    {line}" for line in tail.splitlines())


class Children:
    """All children of one supervisor, in the order in which they were first started."""

    def __init__(self, layout: Layout, reaper: Reaper, pause: Pause = time.sleep) -> None:
        self._layout = layout
        self._reaper = reaper
        self._pause = pause
        self._running: list[Child] = []
        # A child that was started again keeps its place: the others still depend on it.
        self._places: dict[str, int] = {}

    def start(self, spec: ChildSpec) -> Child:
        """Start a child in its own session, with its output in the log directory."""
        log = self._layout.log_file(spec.log_name or spec.name)
        log_descriptor = open_log(log)
        log_start = os.fstat(log_descriptor).st_size
        ready_reading, ready_writing = os.pipe() if spec.announces_ready else (None, None)
        try:
            process = _spawn(spec, log_descriptor, ready_writing)
        finally:
            os.close(log_descriptor)
            if ready_writing is not None:
                os.close(ready_writing)
        if ready_reading is not None:
            os.set_blocking(ready_reading, False)
        child = Child(spec, process, log, log_start, read_identity(process.pid), ready_reading)
        self._running.append(child)
        self._places.setdefault(child.name, len(self._places))
        self._running.sort(key=lambda one: self._places[one.name])
        self._reaper.watch(child.pid, spec.stop_signal.name.removeprefix("SIG"))
        self._record()
        return child

    def run(self, spec: ChildSpec, seconds: float) -> None:
        """Start a child and wait for its success.

        Raises: ChildFailed when it fails or needs longer than `seconds`.
        """
        child = self.start(spec)
        ended = wait_until(child.has_ended, seconds, self._pause)
        if not ended or child.process.returncode != 0:
            self.stop(child)
            raise child.explain_end()
        self._forget(child)

    def wait_ready(self, child: Child, is_ready: Callable[[], bool], seconds: float) -> None:
        """Wait until `is_ready`. Raises: ChildFailed when any child ends first or this one takes longer."""
        was_ready = wait_until(lambda: bool(self.find_ended()) or is_ready(), seconds, self._pause)
        ended = self.find_ended()
        if ended is not None:
            raise ended.explain_end()
        if not was_ready:
            message = f"{child.name} was not ready within {seconds:.0f} s. {child.quote_log()}"
            raise ChildFailed(message, child.log)

    def find_ended(self) -> Child | None:
        return next((child for child in self._running if child.has_ended()), None)

    def keep_logs_small(self) -> None:
        for child in self._running:
            keep_small(child.log)

    def stop(self, *children: Child) -> None:
        """Ask the given children to end, all at once, and kill those that do not within their time."""
        for child in children:
            child.send(child.spec.stop_signal)
        for child in children:
            if not wait_until(child.has_ended, child.spec.stop_seconds):
                child.kill_group()
                child.process.wait()
            self._forget(child)

    def bury(self, child: Child) -> None:
        """Forget a child that ended by itself, and end what it left in its session."""
        child.kill_group()
        self._forget(child)

    def stop_all(self) -> None:
        """Stop in the opposite order of the first start."""
        for child in reversed(self._running[:]):
            self.stop(child)
        self._layout.children_file.unlink(missing_ok=True)

    def _forget(self, child: Child) -> None:
        if child in self._running:
            self._running.remove(child)
        if child.ready_descriptor is not None:
            os.close(child.ready_descriptor)
            child.ready_descriptor = None
        self._reaper.forget(child.pid)
        self._record()

    def _record(self) -> None:
        """Write down who runs, for the start after a crash of supervisor and reaper together."""
        entries = [
            {
                "name": child.name,
                "pid": child.pid,
                "identity": child.identity,
                "signal": int(child.spec.stop_signal),
            }
            for child in self._running
        ]
        target = self._layout.children_file
        fresh = target.with_suffix(".new")
        fresh.write_text(json.dumps(entries))
        inherit_owner(fresh)
        fresh.replace(target)


def _spawn(spec: ChildSpec, log: int, ready_writing: int | None) -> subprocess.Popen[bytes]:
    environment = dict(spec.environment)
    if ready_writing is not None:
        environment["PERSONALQ_READY_FD"] = str(ready_writing)
    return subprocess.Popen(
        list(spec.command),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd=spec.directory,
        env=environment,
        user=spec.user,
        group=spec.group,
        extra_groups=None if spec.user is None else [],
        pass_fds=() if ready_writing is None else (ready_writing,),
        # Ctrl-C reaches only the supervisor, which stops the children in order.
        start_new_session=True,
    )
