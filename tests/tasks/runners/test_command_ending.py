"""Nothing of a program outlives its attempt, however the attempt ends."""

import asyncio
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from tasks.runners.command import sweep_scratch
from tasks.runners.processes import program as program_module
from tasks.runners.processes import scratch as scratch_module
from tasks.runners.processes.scratch import remove_tree
from tests.tasks.runners.conftest import Program
from tests.tasks.runners.support import (
    PATIENCE_SECONDS,
    STUBBORN,
    alive_below,
    attempts_in,
    carry_out,
    pieces_of,
    start_until,
    until,
    workers_in,
    zombies,
)

REPOSITORY = Path(__file__).resolve().parents[3]

# A daemon as the books have it: two forks, a session of its own, and no stream of ours left open.
DAEMON = """
import os, signal, time
def daemon():
    if os.fork(): return os.wait()
    os.setsid()
    if os.fork(): os._exit(0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    {more}
    os.close(0), os.close(1), os.close(2)
    open("up", "w").close()
    while True: time.sleep(60)
daemon()
while not os.path.exists("up"): time.sleep(0.001)
print("ready", os.getppid(), flush=True)
"""

FOREST = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for depth in range(5):
    if depth % 2: os.fork() or os.setsid()
    else: os.fork()
os.write(1, b"ready ")
while True: time.sleep(60)
"""

# One process stays, four flee: each forks and ends at once, in a session of its own.
FUGITIVES = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for _ in range(4):
    if os.fork() == 0:
        while True:
            if os.fork(): os._exit(0)
            os.setsid()
print("ready", flush=True)
while True: time.sleep(60)
"""

# Whoever is killed is replaced by its parent.
HYDRA = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
def grow(depth):
    os.setsid() if depth else None
    if depth == 4:
        os.write(1, b"ready ")
        while True: time.sleep(60)
    while True:
        heads = 0
        while heads < 2:
            if os.fork() == 0: grow(depth + 1)
            heads += 1
        os.wait()
        os.fork() == 0 and grow(depth + 1)
grow(0)
"""

SHAPES = {
    "obedient": ("import time; print('ready', flush=True); time.sleep(600)", 1),
    "stubborn": (STUBBORN, 1),
    "stopped": ("import os, signal; print('ready', flush=True); os.kill(os.getpid(), signal.SIGSTOP)", 1),
    "daemon": (DAEMON.format(more="") + "time.sleep(600)", 1),
    "forest": (FOREST, 32),
    "fugitives": (FUGITIVES, 1),
    "hydra": (HYDRA, 16),
    "flood": ("import os\nwhile True: os.write(1, b'ready ' * 100)", 1),
    "silent": ("import os, time; os.write(1, b'ready'); os.close(1); os.close(2); time.sleep(600)", 1),
}


@pytest.mark.security
@pytest.mark.parametrize("shape", SHAPES)
async def test_cancel_ends_everything_before_it_returns(shape: str, program: Program, scratch: Path) -> None:
    source, times = SHAPES[shape]
    path = program(source)
    started = await start_until(times=times, output_limit_bytes=2**40)
    assert alive_below(path)
    seconds = await started.cancel()
    assert not alive_below(path)
    assert not attempts_in(scratch)
    assert seconds < 5


@pytest.mark.security
async def test_time_limit_ends_everything(program: Program, scratch: Path) -> None:
    path = program(STUBBORN)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await carry_out()
    assert not alive_below(path)
    assert not attempts_in(scratch)


async def test_closing_ends_everything(program: Program) -> None:
    path = program(STUBBORN)
    pieces = pieces_of()
    assert await anext(pieces) == "ready\n"
    await pieces.aclose()
    assert not alive_below(path)


async def test_more_cancels_do_not_hurry_the_first(program: Program, scratch: Path) -> None:
    path = program(STUBBORN)
    started = await start_until()
    while not started.task.done():
        started.task.cancel()
        await asyncio.sleep(0.001)
    assert started.task.cancelled()
    assert not alive_below(path)
    assert not attempts_in(scratch)


@pytest.mark.parametrize("turns", range(12))
async def test_cancel_during_the_start_leaves_nothing(turns: int, program: Program, scratch: Path) -> None:
    path = program(STUBBORN)
    task = asyncio.create_task(carry_out())
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert not alive_below(path)
    assert not attempts_in(scratch)


async def test_cancel_while_the_guard_is_being_started_leaves_nothing(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = program(STUBBORN)
    start, started, may_go_on = asyncio.create_subprocess_exec, asyncio.Event(), asyncio.Event()

    async def start_slowly(*arguments: Any, **options: Any) -> asyncio.subprocess.Process:
        process = await start(*arguments, **options)
        await until(lambda: "program.py" in " ".join(alive_below(path).values()))
        started.set()
        await may_go_on.wait()
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", start_slowly)
    task = asyncio.create_task(carry_out())
    await started.wait()
    task.cancel()
    await asyncio.sleep(0)
    may_go_on.set()
    await asyncio.wait({task})
    assert task.cancelled()
    assert not alive_below(path)


async def test_cancel_while_the_directory_is_being_removed_waits_for_that(
    program: Program, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_go_on = threading.Event(), threading.Event()

    def remove_slowly(top: Path) -> None:
        begun.set()
        may_go_on.wait(PATIENCE_SECONDS)
        remove_tree(top)

    monkeypatch.setattr(scratch_module, "remove_tree", remove_slowly)
    program("print('done')")
    task = asyncio.create_task(carry_out())
    await until(begun.is_set)
    task.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
        assert not task.done()
    may_go_on.set()
    await asyncio.wait({task})
    assert task.cancelled()
    assert not attempts_in(scratch)


@pytest.mark.security
@pytest.mark.parametrize("code", [0, 1])
async def test_daemon_does_not_survive_the_end_of_its_program(code: int, program: Program) -> None:
    path = program(DAEMON.format(more="") + f"os._exit({code})")
    run = await carry_out()
    assert run.facts == {"exit_code": code}
    assert not alive_below(path)


async def test_child_that_keeps_stdout_open_does_not_keep_the_attempt(program: Program) -> None:
    program(f"""
        import os
        if os.fork() == 0: exec({STUBBORN!r})
        os.write(1, b"parent ")
        """)
    run = await carry_out()
    assert run.text.startswith(("parent ", "ready\nparent "))
    assert run.facts == {"exit_code": 0}


async def test_program_that_resists_beyond_the_limit_of_output_is_ended(program: Program) -> None:
    path = program("""
        import os, signal
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True: os.write(1, b"x" * 1000)
        """)
    assert (await carry_out(output_limit_bytes=10)).text == "x" * 10
    assert not alive_below(path)


@pytest.mark.security
async def test_killed_guard_takes_everything_along(program: Program, scratch: Path) -> None:
    path = program(DAEMON.format(more="") + "while True: time.sleep(60)")
    started = await start_until("\n")
    os.kill(int(started.words[1]), signal.SIGKILL)
    run = await started.task
    assert (run.code, run.facts) == ("internal_error", {})
    assert not alive_below(path)
    assert not attempts_in(scratch)


async def test_attempt_ends_although_the_killed_guard_left_somebody_unknown(program: Program, tmp_path: Path) -> None:
    # Whoever has put off its environment is not found; it must not keep the attempt by keeping stdout.
    program(f"""
        import os, sys, time
        if os.fork() == 0:
            os.setsid()
            os.execve(sys.executable, ["-", "-ISc", {STUBBORN!r}], {{}})
        while True: time.sleep(60)
        """)
    started = await start_until()
    [unknown] = _children_of_program(tmp_path)
    [guard] = [pid for pid, words in alive_below(tmp_path).items() if "guard.py" in words]
    os.kill(guard, signal.SIGKILL)
    assert (await started.task).code == "internal_error"
    os.kill(unknown, signal.SIGKILL)


def _children_of_program(directory: Path) -> list[int]:
    [program] = [pid for pid, words in alive_below(directory).items() if "guard.py" not in words]
    return [int(pid) for pid in Path(f"/proc/{program}/task/{program}/children").read_text().split()]


async def test_signal_to_the_guard_ends_the_program_with_it(program: Program) -> None:
    path = program(DAEMON.format(more="") + "while True: time.sleep(60)")
    started = await start_until("\n")
    os.kill(int(started.words[1]), signal.SIGTERM)
    run = await started.task
    assert (run.code, run.facts) == ("command_killed", {"signal": "SIGTERM"})
    assert not alive_below(path)


async def test_cancel_does_not_wait_for_a_stopped_guard_for_ever(
    program: Program, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(program_module, "END_SECONDS", 0.2)
    path = program("import os, time; print('ready', os.getppid(), flush=True); time.sleep(600)")
    started = await start_until("\n")
    os.kill(int(started.words[1]), signal.SIGSTOP)
    with caplog.at_level(logging.ERROR):
        await started.cancel()
    assert "resists its end" in caplog.text
    # It is told to go on, and then does what it is there for.
    await until(lambda: not alive_below(path) and not zombies())


# --- The worker itself is killed ---------------------------------------------------------------------

WORKER = """
import asyncio, django, uuid
django.setup()
from tasks.runners import Request
from tasks.runners.command import CommandRunner
async def main():
    request = Request(task=uuid.uuid4(), attempt=1, prompt="", config={"command": "program"})
    async for piece in CommandRunner().run(request): print(piece, end="", flush=True)
asyncio.run(main())
"""


@asynccontextmanager
async def _worker(path: Path, scratch: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, asyncio.StreamReader]]:
    """A worker process that carries out the program at `path`; killed at the end if it still lives."""
    commands = json.dumps({"program": [sys.executable, "-I", "-S", str(path)]})
    ours = {"PERSONALQ_COMMANDS": commands, "PERSONALQ_SCRATCH_DIR": str(scratch)}
    environment = {**os.environ, **ours, "DJANGO_SETTINGS_MODULE": "personalq.settings"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", WORKER), stdout=asyncio.subprocess.PIPE, env=environment, cwd=REPOSITORY
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.security
@pytest.mark.parametrize("shape", ["stubborn", "daemon", "forest"])
async def test_killed_worker_leaves_nothing_running(shape: str, program: Program, scratch: Path) -> None:
    path = program(SHAPES[shape][0])
    async with _worker(path, scratch) as (worker, output):
        await output.readuntil(b"ready")
        worker.kill()
    await until(lambda: not alive_below(path))
    assert len(attempts_in(scratch)) == 1
    assert sweep_scratch() == 1
    assert not workers_in(scratch)


@pytest.mark.security
async def test_sweep_ends_what_survived_worker_and_guard(program: Program, scratch: Path) -> None:
    path = program(DAEMON.format(more="") + "while True: time.sleep(60)")
    async with _worker(path, scratch) as (worker, output):
        guard = int((await output.readline()).split()[1])
        # The other way round the guard would have the time to do its work.
        os.kill(guard, signal.SIGSTOP)
        worker.kill()
        os.kill(guard, signal.SIGKILL)
    assert alive_below(path)
    assert sweep_scratch() == 1
    assert not alive_below(path)
    assert not workers_in(scratch)


async def test_sweep_leaves_living_workers_alone(program: Program, scratch: Path) -> None:
    path = program(STUBBORN)
    async with _worker(path, scratch) as (_, output):
        await output.readuntil(b"ready")
        running = alive_below(path)
        assert sweep_scratch() == 0
        assert alive_below(path) == running
        assert attempts_in(scratch)
    await until(lambda: not alive_below(path))
    assert sweep_scratch() == 1


async def test_new_settings_are_obeyed_at_once(program: Program, settings: Settings, tmp_path: Path) -> None:
    program("import os; print(os.getcwd())")
    first = (await carry_out()).text
    settings.PERSONALQ_SCRATCH_DIR = str(tmp_path / "other")
    second = (await carry_out()).text
    assert Path(first).parts[:-2] == (tmp_path / "scratch").parts
    assert Path(second).parts[:-2] == (tmp_path / "other").parts
