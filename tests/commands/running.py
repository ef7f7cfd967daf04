"""Runs the client as people do: in a process of its own, with nothing of our environment."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.cli import personalq_cli

CLIENT = Path(personalq_cli.__file__)
TOKEN = "pq_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"
PATIENCE_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What a call left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which holds nothing but one JSON document."""
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, Any]:
        """Standard error, which holds nothing but one line of JSON; nothing is on standard output then."""
        assert self.out == ""
        (line,) = self.err.splitlines()
        found: dict[str, Any] = json.loads(line)
        return found


def run_client(
    *arguments: str, client: Path = CLIENT, stdin: bytes = b"", python: Sequence[str] = (sys.executable,), **env: str
) -> Ran:
    """Call the client; `env` is the whole of its environment."""
    done = subprocess.run(
        [*python, str(client), *arguments],
        env={"PATH": "/usr/bin:/bin", **env},
        input=stdin,
        capture_output=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    return Ran(code=done.returncode, out=done.stdout.decode(), err=done.stderr.decode())


def call(url: str, *arguments: str, **more: Any) -> Ran:
    """Call the client with a token and the address of a server."""
    return run_client(*arguments, **{"PERSONALQ_URL": url, "PERSONALQ_TOKEN": TOKEN, **more})
