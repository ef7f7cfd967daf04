"""Gives the tests real servers of their own: `-p personalq.embedded.pytest_plugin`.

The first run on a machine keeps its servers' data in `var/test` and starts faster the
next time; a second run at the same time gets servers that vanish with it. With
DATABASE_URL and REDIS_URL in the environment the tests use those instead.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from personalq.embedded.children import Children
from personalq.embedded.errors import AlreadyRunning, EmbeddedError
from personalq.embedded.layout import REDIS_DATABASE_BASE, Layout
from personalq.embedded.lock import InstanceLock
from personalq.embedded.placement import remove_elsewhere
from personalq.embedded.reaper import Reaper
from personalq.embedded.servers import make_directories, start_servers
from personalq.embedded.throwaway import use_throwaway_settings

DATABASES_PER_WORKER = 4


class TestServers:
    """The servers of one test run."""

    __test__ = False

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


servers: TestServers | None = None


# A wrapper comes before pytest-django, which reads the settings in the same hook.
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, Any, Any]:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker:
        number = int(worker.removeprefix("gw"))
        os.environ[REDIS_DATABASE_BASE] = str(DATABASES_PER_WORKER * (number + 1))
    elif not _only_informs(early_config):
        _prepare_environment()
    return (yield)


def _only_informs(config: pytest.Config) -> bool:
    options = config.known_args_namespace
    return bool(options.help or options.version)


def _prepare_environment() -> None:
    global servers  # noqa: PLW0603 - one test run, one set of servers
    use_throwaway_settings(os.environ)
    if os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL"):
        return
    try:
        servers = TestServers()
        servers.start()
    except EmbeddedError as error:
        sys.exit(f"The test servers did not start. {error}")
    os.environ["PERSONALQ_VAR"] = str(servers.layout.root)


def pytest_unconfigure() -> None:
    global servers  # noqa: PLW0603
    if servers is not None:
        servers.stop()
        servers = None
