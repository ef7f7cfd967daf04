"""Runs the real web process on the tests' database, as the supervisor would."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from django.db import connection

from personalq.embedded.layout import REPOSITORY
from personalq.embedded.product import Address, web
from tests.embedded.running import find_free_port

DEADLINE_SECONDS = 60.0


def wait_for(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)


class WebProcess:
    """One web server with the product in it, on plain HTTP and a free port; `settings` are for its environment."""

    def __init__(
        self, directory: Path, port: int | None = None, arguments: Sequence[str] = (), **settings: str
    ) -> None:
        self.port = port or find_free_port()
        self._log = directory / f"web-{self.port}.log"
        environment = {
            **os.environ,
            "PERSONALQ_HTTPS": "false",
            "DJANGO_SETTINGS_MODULE": "tests.realtime.sockets.served_settings",
            "TEST_DATABASE_NAME": str(connection.settings_dict["NAME"]),
            **settings,
        }
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *web(Address("127.0.0.1", self.port), {}).command[1:], *arguments],
                cwd=REPOSITORY,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        wait_for(self._listens, "the web process to listen")

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws/"

    @property
    def memory_bytes(self) -> int:
        """What the process holds in memory now."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def complaints(self) -> list[str]:
        """Lines of the log that tell of errors of ours."""
        return [line for line in self.log.splitlines() if '"ERROR"' in line or "exception" in line.lower()]

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=20)
        finally:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _listens(self) -> bool:
        assert self._process.poll() is None, self.log
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
