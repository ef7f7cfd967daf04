"""The guard by itself: what it answers, and that it leaves only when nothing is left."""

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tasks.runners.processes import guard
from tasks.runners.processes.program import Ending
from tests.tasks.runners.support import alive_below


def _changed(*changes: str) -> tuple[str, str]:
    """Python's arguments for a guard with changes, each a statement about `guard`."""
    lines = (
        "import importlib.util, sys",
        f"specification = importlib.util.spec_from_file_location('guard', {guard.__file__!r})",
        "guard = importlib.util.module_from_spec(specification)",
        "specification.loader.exec_module(guard)",
        *changes,
        "guard.main(sys.argv[1:])",
    )
    return "-c", "\n".join(lines)


PATIENT = ("guard.GRACE_SECONDS = 15",)
# A system that tells nothing about parents and children, such as macOS.
BLIND = ("guard.children_of = lambda pid: []", "guard._prctl = lambda option, value: None")


@contextmanager
def _guard(
    directory: Path, *argv: str, code: tuple[str, ...] = (guard.__file__,), is_over: bool = False
) -> Iterator[tuple[subprocess.Popen[bytes], socket.socket]]:
    ours, its = socket.socketpair()
    with ours, its:
        ours.settimeout(15)
        if is_over:
            ours.shutdown(socket.SHUT_WR)
        command = [sys.executable, "-I", "-S", *code, str(its.fileno()), *argv]
        with subprocess.Popen(
            command, pass_fds=[its.fileno()], cwd=directory, stdout=subprocess.PIPE, env={"PATH": "/bin"}
        ) as process:
            its.close()
            yield process, ours


def _answer(control: socket.socket) -> bytes:
    answer = b""
    while piece := control.recv(100):
        answer += piece
    return answer


@pytest.mark.parametrize(
    ("script", "answer"),
    [
        ("exit 0", b"exit 0 0\n"),
        ("exit 7", b"exit 7 0\n"),
        ("kill -9 $$", b"signal 9 0\n"),
        ("sleep 600 & exit 3", b"exit 3 0\n"),
        ("setsid sleep 600 & setsid sleep 601 & exit 4", b"exit 4 0\n"),
    ],
)
def test_answer_tells_how_the_program_ended(script: str, answer: bytes, tmp_path: Path) -> None:
    with _guard(tmp_path, "/bin/sh", "-c", script) as (_, control):
        assert _answer(control) == answer
    assert not alive_below(tmp_path)


def test_answer_tells_why_the_program_did_not_start(tmp_path: Path) -> None:
    with _guard(tmp_path, "/nowhere/program") as (_, control):
        assert _answer(control).startswith(b"errno 2 0\n")


def test_order_that_comes_before_the_start_prevents_it(tmp_path: Path) -> None:
    with _guard(tmp_path, "/bin/sh", "-c", "echo started > file", is_over=True) as (process, control):
        assert _answer(control) == b"none 0 0\n"
        assert process.wait() == 0
    assert not list(tmp_path.iterdir())


TIDY = """
import signal, sys, time
def tidy(*_):
    with open("file", "w") as file: file.write("tidied")
    sys.exit(5)
signal.signal(signal.SIGTERM, tidy)
print("ready", flush=True)
while True: time.sleep(60)
"""


@pytest.mark.parametrize("changes", [PATIENT, PATIENT + BLIND], ids=["seeing", "blind"])
def test_program_is_asked_before_it_is_killed(changes: tuple[str, ...], tmp_path: Path) -> None:
    argv = (sys.executable, "-I", "-S", "-c", TIDY)
    with _guard(tmp_path, *argv, code=_changed(*changes)) as (process, control):
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        control.shutdown(socket.SHUT_WR)
        assert _answer(control) == b"exit 5 0\n"
    assert (tmp_path / "file").read_text() == "tidied"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_guard_that_is_told_to_end_ends_the_program_first(number: int, tmp_path: Path) -> None:
    with _guard(tmp_path, "/bin/sh", "-c", "trap '' TERM; echo ready; sleep 600") as (process, control):
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        # The shell ignores it, its child has inherited that, so both had to be killed.
        assert _answer(control) == b"signal 9 0\n"
    assert not alive_below(tmp_path)


def test_guard_needs_no_worker_to_answer_to(tmp_path: Path) -> None:
    with _guard(tmp_path, "/bin/sh", "-c", "echo ready; exec sleep 600") as (process, control):
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        control.close()
        assert process.wait(15) == 0
    assert not alive_below(tmp_path)


@pytest.mark.parametrize("options", [(), ("files=workspace", "network=none")], ids=["plain", "confined"])
def test_program_ends_with_a_killed_guard(options: tuple[str, ...], tmp_path: Path) -> None:
    program = ("/bin/sh", "-c", "trap '' TERM; echo ready; exec sleep 600")
    with _guard(tmp_path, *options, *program) as (process, control):
        assert process.stdout is not None
        first = process.stdout.readline()
        if options and first != b"ready\n":
            # This kernel cannot confine it, so it was never started.
            assert _answer(control).startswith(b"refused ")
            return
        assert first == b"ready\n"
        process.kill()
        # The end of its output is the end of the program.
        assert select.select([process.stdout], [], [], 15)[0]
        assert process.stdout.read() == b""


def test_group_is_ended_where_descent_is_unknown(tmp_path: Path) -> None:
    script = "trap '' TERM; sleep 600 & echo ready; wait"
    with _guard(tmp_path, "/bin/sh", "-c", script, code=_changed(*BLIND)) as (process, control):
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        control.shutdown(socket.SHUT_WR)
        assert _answer(control) == b"signal 9 0\n"
        assert process.stdout.read() == b""


def test_children_are_found_without_the_kernels_list(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(["/bin/sh", "-c", "sleep 600 & echo $!; wait"], stdout=subprocess.PIPE) as shell:
        assert shell.stdout is not None
        child = int(shell.stdout.readline())
        listed = list(guard.descendants_of(shell.pid))
        monkeypatch.setattr(guard, "_KERNEL_LISTS_CHILDREN", False)
        scanned = list(guard.descendants_of(shell.pid))
        os.kill(child, signal.SIGKILL)
    assert listed == scanned == [child]


def test_children_of_nobody_are_none() -> None:
    assert guard.children_of(2**22 + 1) == []


@pytest.mark.parametrize(
    ("answer", "ending"),
    [
        (b"exit 0 0\n", Ending(kind="exit", number=0, left=0)),
        (b"errno 13 0\nexit 127 0\n", Ending(kind="errno", number=13, left=0)),
        (b"exit 1", None),
        (b"", None),
    ],
)
def test_ending_is_read_from_whole_lines_only(answer: bytes, ending: Ending | None) -> None:
    assert Ending.parse(answer) == ending
