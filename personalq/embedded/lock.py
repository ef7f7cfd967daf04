"""One supervisor per data directory."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from personalq.embedded.errors import AlreadyRunning
from personalq.embedded.private_files import inherit_owner
from personalq.embedded.processes import is_alive
from personalq.embedded.waiting import POLL_SECONDS, Pause

STOPPING = "stopping"
# A supervisor whose `make` was killed needs a moment to notice before it says that it stops.
NOTICE_SECONDS = 2.0
CLEANUP_SECONDS = 40.0


class InstanceLock:
    """An exclusive lock on a file that also names its holder.

    The reaper inherits the descriptor: after a kill -9 the lock stays taken until
    the orphans are gone, and the next start waits for that.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        inherit_owner(path)

    @property
    def descriptor(self) -> int:
        return self._descriptor

    def acquire(self, pause: Pause = time.sleep) -> None:
        """Take the lock, waiting only for an instance that is already on its way out.

        Raises: AlreadyRunning, naming the process that holds it.
        """
        began = time.monotonic()
        while not self.try_once():
            limit = CLEANUP_SECONDS if self._holder_is_leaving() else NOTICE_SECONDS
            if time.monotonic() - began > limit:
                self._refuse()
            pause(POLL_SECONDS)
        self._write(str(os.getpid()))

    def announce_stop(self) -> None:
        """Tell a next start that it is worth waiting."""
        self._write(f"{os.getpid()} {STOPPING}")

    def release(self) -> None:
        os.close(self._descriptor)

    def try_once(self) -> bool:
        """Take the lock if it is free at this moment. Returns whether it is ours now."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _holder_is_leaving(self) -> bool:
        pid, state = self._read()
        return state == STOPPING or not is_alive(pid)

    def _refuse(self) -> None:
        pid, _ = self._read()
        os.close(self._descriptor)
        raise AlreadyRunning(
            f"Personal-Q is already running here (pid {pid}). Stop it with Ctrl-C in its terminal "
            f"or `kill {pid}`, or give this one its own data directory: PERSONALQ_VAR=/another/path"
        )

    def _read(self) -> tuple[int, str]:
        words = os.pread(self._descriptor, 100, 0).decode(errors="replace").split()
        pid = int(words[0]) if words and words[0].isdigit() else 0
        return pid, words[1] if len(words) > 1 else ""

    def _write(self, text: str) -> None:
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, text.encode(), 0)
