"""Facts about processes that are not our children, from /proc or, on macOS, from ps."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path

PROC = Path("/proc")


def has_proc() -> bool:
    return (PROC / "self" / "stat").exists()


def is_alive(pid: int) -> bool:
    """Whether `pid` still runs. A zombie does not: it only waits for a parent that may never look."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return _read_state(pid) not in {"Z", "X"}


def _read_state(pid: int) -> str:
    if has_proc():
        fields = _read_stat(pid)
        return fields[0] if fields else "X"
    return _ask_ps(pid, "stat")[:1]


def _read_stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat after the command, which may itself hold spaces and parentheses."""
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def read_identity(pid: int) -> str:
    """Something that tells this process from a later one with the same number; empty if it is gone."""
    if not has_proc():
        return _ask_ps(pid, "lstart")
    fields = _read_stat(pid)
    if not fields or fields[0] in {"Z", "X"}:
        return ""
    return f"{_read_boot_id()}:{fields[19]}"


def _read_boot_id() -> str:
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def read_command_line(pid: int) -> list[str]:
    """The arguments of a process; empty if it is gone or hidden from us."""
    if not has_proc():
        return _ask_ps(pid, "command").split(" ")
    try:
        raw = (PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return []
    return [os.fsdecode(part) for part in raw.split(b"\0") if part]


def kill_all(program: str, *, working_in: Path) -> int:
    """Kill every process of a program whose working directory is `working_in`. Returns how many there were.

    Finds none where there is no /proc, as on macOS.
    """
    found = [pid for pid in _list_pids() if _runs_in(pid, program, working_in)]
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return len(found)


def _list_pids() -> list[int]:
    return [int(entry.name) for entry in PROC.glob("[0-9]*")] if has_proc() else []


def _runs_in(pid: int, program: str, directory: Path) -> bool:
    try:
        is_program = (PROC / str(pid) / "exe").readlink().name == program
        return is_program and (PROC / str(pid) / "cwd").samefile(directory)
    except OSError:
        # It has ended, or belongs to somebody else.
        return False


def _ask_ps(pid: int, column: str) -> str:
    try:
        answer = subprocess.run(
            ["ps", "-ww", "-o", f"{column}=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return ""
    return answer.stdout.strip()
