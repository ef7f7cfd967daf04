"""Takes one guard after the other out of a copy of the product and shows which test notices.

    make mutations                            all of them
    .venv/bin/python -m tests.mutations lock  those whose name contains "lock"

Ends with status 1 when a guard could be taken out without any test failing.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.mutations.table import ROOT, Mutation, mutations

LEFT_OUT = shutil.ignore_patterns(
    ".venv", ".venv-tools", ".git", "var", "__pycache__", ".mypy_cache", ".ruff_cache", ".hypothesis"
)


def try_out(mutation: Mutation) -> str:
    """The first test that fails without the guard; empty when none does."""
    with tempfile.TemporaryDirectory(prefix="personalq-mutation-") as directory:
        copy = Path(directory, "copy")
        shutil.copytree(ROOT, copy, ignore=LEFT_OUT)
        for change in mutation.changes:
            change.apply(copy)
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *mutation.tests],
            cwd=copy,
            capture_output=True,
            text=True,
            check=False,
        )
    noticed = re.search(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    return noticed[1] if noticed else ""


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(words: list[str]) -> int:
    """Try every mutation whose name contains one of the words; 1 when one went unnoticed."""
    chosen = [one for one in mutations() if not words or any(word in one.name for word in words)]
    unnoticed = 0
    for mutation in chosen:
        test = try_out(mutation)
        unnoticed += not test
        say(f"{mutation.name:48} {test or 'NOT NOTICED'}")
    say(f"{len(chosen) - unnoticed} of {len(chosen)} noticed")
    return int(unnoticed > 0 or not chosen)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
