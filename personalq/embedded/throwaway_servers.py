"""PostgreSQL and Valkey for tests and tools: fast, and of no consequence."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from personalq.embedded.children import Children
from personalq.embedded.errors import AlreadyRunning, EmbeddedError
from personalq.embedded.layout import Layout
from personalq.embedded.lock import InstanceLock
from personalq.embedded.placement import remove_elsewhere
from personalq.embedded.reaper import Reaper
from personalq.embedded.servers import make_directories, start_servers


class ThrowawayServers:
    """The servers of one test run: kept in `var/test`, or gone with the run if another one has those."""

    def __init__(self) -> None:
        self._throwaway: Path | None = None
        self._lock = self._choose_place()
        self._reaper = Reaper(held_descriptors=[self._lock.descriptor])
        self._children = Children(self.layout, self._reaper)

    def start(self) -> None:
        """Start them, once more from nothing if data without fsync did not survive a crash."""
        try:
            start_servers(self.layout, self._children, durable=False)
        except EmbeddedError:
            self._children.stop_all()
            shutil.rmtree(self.layout.postgres_data, ignore_errors=True)
            shutil.rmtree(self.layout.redis_data, ignore_errors=True)
            start_servers(self.layout, self._children, durable=False)

    def stop(self) -> None:
        self._children.stop_all()
        self._reaper.release()
        self._lock.release()
        if self._throwaway is not None:
            remove_elsewhere(self.layout)
            shutil.rmtree(self._throwaway, ignore_errors=True)

    def _choose_place(self) -> InstanceLock:
        self.layout = Layout(Layout.default().root / "test")
        try:
            return self._lock_place()
        except AlreadyRunning:
            self._throwaway = Path(tempfile.mkdtemp(prefix="personalq-test-"))
            self.layout = Layout(self._throwaway)
            return self._lock_place()

    def _lock_place(self) -> InstanceLock:
        make_directories(self.layout)
        lock = InstanceLock(self.layout.lock_file)
        lock.acquire()
        return lock
