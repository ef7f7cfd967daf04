"""Ends processes that no guard looks after any more, known by the home that their attempt gave them."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_PATIENCE_SECONDS: Final = 1.0
_ROUND_SECONDS: Final = 0.005


def kill_strays(home: Path) -> int:
    """End every process whose HOME is `home` or lies below it; returns how many resisted for a second.

    A second net below the guard: it catches what is left when the guard itself was killed. It misses those
    that changed their environment and those of other users, and finds nothing where there is no /proc.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    # Each round may meet children of those that died in the round before.
    while left := sum(_kill_if_stray(pid, home) for pid in _pids()):
        if time.monotonic() > deadline:
            return left
        time.sleep(_ROUND_SECONDS)
    return 0


def _pids() -> Iterator[int]:
    proc = Path("/proc")
    names = os.listdir(proc) if proc.is_dir() else []  # noqa: PTH208 - names only, no objects for thousands
    return (int(name) for name in names if name.isdigit())


def _kill_if_stray(pid: int, home: Path) -> bool:
    try:
        # Opened before looking: if the number changes hands meanwhile, the signal goes nowhere.
        handle = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        is_stray = b"\0HOME=" + os.fsencode(home) in b"\0" + Path(f"/proc/{pid}/environ").read_bytes()
        if is_stray:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
    except OSError:
        return False
    else:
        return is_stray
    finally:
        os.close(handle)
