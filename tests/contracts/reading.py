"""What the code, the build files and the documents say about variables."""

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from personalq.embedded.env_file import GENERATED_SECRETS, make_secret
from personalq.embedded.throwaway import NO_SETTINGS

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLE = REPOSITORY / ".env.example"

# Loads the settings, in a process of its own, and tells which variables they asked for and how.
_RECORDER = """
import json, os
import environ
from personalq.lib import env

asked, calls = set(), []

class Recorder(dict):
    def get(self, name, default=None):
        asked.add(name)
        return super().get(name, default)
    def __getitem__(self, name):
        asked.add(name)
        return super().__getitem__(name)
    def __contains__(self, name):
        asked.add(name)
        return super().__contains__(name)

def spied(reader):
    def read(*arguments, **options):
        calls.append({"kind": reader.__name__, "arguments": arguments, "options": options})
        return reader(*arguments, **options)
    return read

environ.Env.ENVIRON = Recorder(os.environ)
for kind in ("boolean", "choice", "positive_float", "positive_int", "rate"):
    setattr(env, kind, spied(getattr(env, kind)))
from personalq import settings
print(json.dumps({"asked": sorted(asked), "calls": calls, "redis": settings.REDIS_LAYER_URL}))
"""
_NAME = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
_SECRETS = {name: make_secret() for name in GENERATED_SECRETS}


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `code` in a new process whose environment is only this."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"], "PERSONALQ_ENV_FILE": str(NO_SETTINGS), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def load_settings(**environment: str) -> dict[str, Any]:
    """What the settings asked the environment for. Fails when they refuse it."""
    loaded: dict[str, Any] = json.loads(loaded_by(_RECORDER, **environment).splitlines()[-1])
    return loaded


def loaded_by(code: str, **environment: str) -> str:
    """What `code` says in a new process that has good secrets. Fails when the process does."""
    done = run_python(code, **{**_SECRETS, **environment})
    assert done.returncode == 0, done.stderr
    return done.stdout


@cache
def asked_by_settings() -> frozenset[str]:
    embedded = load_settings()
    own = load_settings(DATABASE_URL="postgres://a@b.invalid/c", REDIS_URL="redis://:p@b.invalid")
    return frozenset(embedded["asked"]) | frozenset(own["asked"])


@dataclass(frozen=True)
class Bounds:
    """How a variable's default and range have to be written down."""

    default: str
    allowed: str


@cache
def bounds() -> dict[str, Bounds]:
    """Of every variable whose reader knows both."""
    return {call["arguments"][0]: _bounds(**call) for call in load_settings()["calls"]}


def _bounds(kind: str, arguments: list[Any], options: dict[str, Any]) -> Bounds:
    if kind == "boolean":
        return Bounds("true" if options["default"] else "false", "true, false")
    default, rest = str(arguments[1]), arguments[2:]
    if kind == "rate":
        return Bounds(default, "a rate")
    if kind == "choice":
        return Bounds(default, ", ".join(rest[0]))
    if kind == "positive_float":
        return Bounds(default, f"above 0, up to {rest[0]}")
    return Bounds(default, f"{options.get('minimum', 1)} to {rest[0]}")


def named_in_python(directory: Path) -> set[str]:
    """Every constant below `directory` that looks like a variable's name."""
    trees = (ast.parse(path.read_text()) for path in sorted(directory.rglob("*.py")))
    nodes = (node for tree in trees for node in ast.walk(tree))
    return {
        node.value
        for node in nodes
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and (_NAME.fullmatch(node.value) or node.value in {"PORT", "DEBUG"})
    }


def named_in_makefile() -> set[str]:
    text = (REPOSITORY / "Makefile").read_text()
    return set(re.findall(r"^([A-Z_]+) \?=", text, re.MULTILINE))


def named_in_compose() -> set[str]:
    return set(re.findall(r"\$\{([A-Z_]+)", (REPOSITORY / "compose.yaml").read_text()))


def tables(document: Path) -> Iterator[list[str]]:
    """The rows of all tables of a Markdown file, cell by cell."""
    for line in document.read_text().splitlines():
        if line.startswith("| "):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def example_values() -> dict[str, str]:
    """NAME → value of .env.example, whether the line is commented out or not."""
    lines = EXAMPLE.read_text().splitlines()
    found = (re.fullmatch(r"(?:# )?([A-Z][A-Z0-9_]*)=(.*)", line) for line in lines)
    return {match[1]: match[2] for match in found if match}
