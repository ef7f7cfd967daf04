"""A product of one's own to measure: started like `make run`, in a temporary directory, and stopped afterwards."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Product:
    """Where a running product is and how to sign in."""

    url: str
    username: str
    password: str
    var: Path = Path()


@contextmanager
def running(**environment: str) -> Iterator[Product]:
    """Start everything with fresh data; the environment adds to what `manage.py up` finds."""
    with tempfile.TemporaryDirectory(prefix="personalq-bench-") as directory:
        port = free_port()
        surroundings = {
            **os.environ,
            "PERSONALQ_VAR": f"{directory}/var",
            "PERSONALQ_ENV_FILE": f"{directory}/env",
            **environment,
        }
        process = subprocess.Popen(
            [sys.executable, "manage.py", "up", "--port", str(port)],
            cwd=ROOT,
            env=surroundings,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            password = _password_once_ready(process)
            yield Product(f"http://127.0.0.1:{port}", "admin", password, Path(directory, "var"))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _password_once_ready(process: "subprocess.Popen[str]") -> str:
    password = ""
    for line in process.stdout or ():
        if found := re.search(r"as admin with the password (\S+)", line):
            password = found[1]
        if "Stop with Ctrl-C" in line:
            return password
    raise SystemExit("The product did not start; see its messages above.")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
