"""What each linter has to find fault with: one that does not see these sees nothing."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CODE = """\
import subprocess


def delete(name: str) -> None:
    subprocess.call("rm " + name, shell=True)
"""
CODE_RULE = "B602"

WORKFLOW = """\
name: Faulty
on: pull_request_target
jobs:
  greet:
    name: Greet
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@v4
      - run: echo "${{ github.event.pull_request.title }}"
"""
WORKFLOW_RULES = {"dangerous-triggers", "excessive-permissions", "template-injection", "unpinned-uses"}

DOCKERFILE = """\
FROM python:latest
RUN sudo id
RUN apt-get install curl
"""
DOCKERFILE_RULES = {"DL3004", "DL3007", "DL3008"}


@contextmanager
def written(name: str, text: str) -> Iterator[Path]:
    """One of these as a file, until the block ends."""
    with tempfile.TemporaryDirectory(prefix="personalq-faulty-") as directory:
        path = Path(directory, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        yield path
