"""Real programs for the tests of the command runner, and looks at what is left of them."""

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from tasks.runners import ArtifactFile, Outcome, Piece, Request, RunFailed
from tasks.runners.command import CommandRunner
from tasks.spending.usage import Usage

PATIENCE_SECONDS = 60.0
TASK = UUID("6e0011d3-b40d-46d6-a5cd-7d7c0566e10e")

# Says "ready" only when it can no longer be ended politely.
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
while True: time.sleep(60)
"""


@dataclass
class Run:
    """What one attempt came to."""

    text: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    usages: list[Usage] = field(default_factory=list)
    outcome: Outcome | None = None
    failure: RunFailed | None = None

    @property
    def code(self) -> str:
        return "" if self.failure is None else self.failure.code

    @property
    def facts(self) -> dict[str, Any]:
        ending = self.failure or self.outcome
        return {} if ending is None else dict(ending.facts)

    @property
    def detail(self) -> str:
        return "" if self.failure is None else self.failure.detail


def pieces_of(prompt: str = "", **options: Any) -> AsyncGenerator[Piece, None]:
    config = {"command": options.pop("command", "program")}
    if "workspace" in options:
        config["workspace"] = options.pop("workspace")
    request = Request(task=TASK, attempt=7, prompt=prompt, config=config, **options)
    return cast("AsyncGenerator[Piece, None]", CommandRunner().run(request))


async def collect(run: Run, prompt: str = "", **options: Any) -> Run:
    """Fill `run` as the pieces come."""
    try:
        async for piece in pieces_of(prompt, **options):
            match piece:
                case str():
                    run.text += piece
                case Usage():
                    run.usages.append(piece)
                case ArtifactFile():
                    run.files[piece.name] = piece.content
                case Outcome():
                    run.outcome = piece
    except RunFailed as failure:
        run.failure = failure
    return run


async def carry_out(prompt: str = "", **options: Any) -> Run:
    return await asyncio.wait_for(collect(Run(), prompt, **options), PATIENCE_SECONDS)


@dataclass
class Started:
    """An attempt that is under way."""

    task: asyncio.Task[Run]
    run: Run

    @property
    def words(self) -> list[str]:
        return self.run.text.split()

    async def cancel(self) -> float:
        """Cancel it and see it end; returns the seconds this took."""
        begin = time.monotonic()
        self.task.cancel()
        await asyncio.wait({self.task}, timeout=PATIENCE_SECONDS)
        assert self.task.cancelled()
        return time.monotonic() - begin


async def start_until(word: str = "ready", *, times: int = 1, **options: Any) -> Started:
    """Start an attempt and wait until it has said `word` so many times."""
    run = Run()
    started = Started(asyncio.create_task(collect(run, **options)), run)
    await until(lambda: run.text.count(word) >= times or started.task.done())
    assert not started.task.done(), run
    return started


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in other processes
            await asyncio.sleep(0.005)


def alive_below(directory: Path) -> dict[int, str]:
    """Processes that run something below `directory` or name it in their environment; the dead do neither."""
    mark = os.fsencode(directory)
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            command, environment = _read(entry / "cmdline"), _read(entry / "environ")
            if mark in command or mark in environment:
                found[int(entry.name)] = command.replace(b"\0", b" ").decode("utf-8", "replace")
    return found


def attempts_in(scratch: Path) -> list[Path]:
    """The directories of attempts that are there, whoever's they are."""
    return list(scratch.glob("*/*"))


def workers_in(scratch: Path) -> list[Path]:
    return list(scratch.glob("*"))


def zombies() -> list[int]:
    """Ended children of ours that nobody has taken in."""
    states = {int(entry.name): _read(entry / "stat") for entry in Path("/proc").iterdir() if entry.name.isdigit()}
    fields = {pid: stat.rpartition(b")")[2].split() for pid, stat in states.items() if stat}
    return [pid for pid, (state, parent, *_) in fields.items() if state == b"Z" and int(parent) == os.getpid()]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
