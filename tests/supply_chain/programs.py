"""The programs of .venv-tools, which requirements/tools.txt locks."""

import os
import subprocess
import sys
from pathlib import Path

from tests.contracts.reading import REPOSITORY

TOOLS = REPOSITORY / ".venv-tools" / "bin"
PRODUCT = Path(sys.executable).parent
REPORTS = REPOSITORY / "var" / "supply-chain"
_PATIENCE_SECONDS = 300


def run(name: str, *arguments: str | Path, directory: Path = REPOSITORY) -> subprocess.CompletedProcess[str]:
    """Run one of them to its end; what its status means is for the caller to know."""
    command: list[str | Path] = [TOOLS / name, *arguments]
    plain = {**os.environ, "NO_COLOR": "1", "PYTHONWARNINGS": "ignore"}
    return subprocess.run(
        command, cwd=directory, env=plain, capture_output=True, text=True, check=False, timeout=_PATIENCE_SECONDS
    )


def last_line(text: str) -> str:
    """What a program said at the end, short enough for a report."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it said nothing")[:300]


def run_python(code: str, *, given: str) -> subprocess.CompletedProcess[str]:
    """Run a few lines where the tools' libraries are installed."""
    command: list[str | Path] = [TOOLS / "python", "-W", "ignore", "-c", code]
    return subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=_PATIENCE_SECONDS)
