"""Makes the virtual environment with whatever this machine offers, or says exactly what to install.

Run by `make` with the machine's own Python, so it uses nothing of the project.

    python3 personalq/embedded/make_venv.py .venv
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

OLDEST = (3, 11)
ADVICE = """\
{python} cannot make a virtual environment with pip. Install what is missing, then try again:
  Debian, Ubuntu:  sudo apt install python3-venv
  Fedora:          sudo dnf install python3-pip
  or uv (https://docs.astral.sh/uv/), which needs neither.
"""


def main(target: Path) -> int:
    if sys.version_info < OLDEST:
        print(f"Python {'.'.join(map(str, OLDEST))} or newer is needed, this is {sys.version.split()[0]}.")
        return 1
    if has_pip(target):
        return 0
    ways: tuple[Callable[[Path], bool], ...] = (make_with_venv, make_with_machine_pip, make_with_uv)
    if any(make(target) and has_pip(target) for make in ways):
        return 0
    shutil.rmtree(target, ignore_errors=True)
    print(ADVICE.format(python=sys.executable), file=sys.stderr)
    return 1


def has_pip(target: Path) -> bool:
    """Whether `target` is a working environment; one whose Python was upgraded away is not."""
    return succeeds(str(target / "bin" / "python"), "-m", "pip", "--version")


def make_with_venv(target: Path) -> bool:
    return succeeds(sys.executable, "-m", "venv", "--clear", str(target))


def make_with_machine_pip(target: Path) -> bool:
    """Debian's python3-pip comes without ensurepip, but can fill a bare environment."""
    python = str(target / "bin" / "python")
    return succeeds(sys.executable, "-m", "venv", "--clear", "--without-pip", str(target)) and succeeds(
        sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "pip"
    )


def make_with_uv(target: Path) -> bool:
    return succeeds("uv", "venv", "--quiet", "--clear", "--seed", "--python", sys.executable, str(target))


def succeeds(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
