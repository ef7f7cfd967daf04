"""Whether a lock is complete: what is installed from it needs nothing else, and everything in it is needed.

The walk begins at the wishes (requirements/*.in) and follows what the installed packages say that they need.
"""

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.supply_chain.locks import Locked

_ASK = """
import json
from importlib.metadata import distributions
print(json.dumps([[each.name, each.version, each.requires or []] for each in distributions()]))
"""


@dataclass(frozen=True)
class Installed:
    """What one package in an environment says of itself."""

    version: str
    needs: tuple[str, ...]


def installed_in(python: Path) -> dict[str, Installed]:
    """Every package that this interpreter finds."""
    answer = subprocess.run([python, "-c", _ASK], capture_output=True, text=True, check=True)
    return {
        canonicalize_name(name): Installed(version, tuple(needs)) for name, version, needs in json.loads(answer.stdout)
    }


def faults(lock: list[Locked], wishes: list[Requirement], environment: Mapping[str, Installed]) -> list[str]:
    """What the lock lacks, what it has for nothing, and what is installed otherwise than locked."""
    locked = {each.name: each for each in lock if each.is_for_here()}
    reached = {name for name, _ in _walk(wishes, environment)}
    missing = [f"{name} is needed and not locked" for name in sorted(reached - set(locked))]
    idle = [f"{name} is locked and nothing needs it" for name in sorted(set(locked) - reached)]
    return missing + idle + list(_different(locked, environment)) + list(_too_old(lock, wishes))


def _walk(wishes: list[Requirement], environment: Mapping[str, Installed]) -> set[tuple[str, str]]:
    """Each package that is needed here, with each of its extras that somebody asks for."""
    seen: set[tuple[str, str]] = set()
    waiting = [pair for wish in wishes if not wish.marker or wish.marker.evaluate() for pair in _asked(wish)]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) not in seen:
            seen.add((name, extra))
            needs = environment[name].needs if name in environment else ()
            waiting += [pair for text in needs for pair in _needed(Requirement(text), extra)]
    return seen


def _asked(wish: Requirement) -> Iterator[tuple[str, str]]:
    yield from ((canonicalize_name(wish.name), extra) for extra in ("", *wish.extras))


def _needed(wish: Requirement, extra: str) -> Iterator[tuple[str, str]]:
    if not wish.marker or wish.marker.evaluate({"extra": extra}):
        yield from _asked(wish)


def _different(locked: Mapping[str, Locked], environment: Mapping[str, Installed]) -> Iterator[str]:
    for name, each in sorted(locked.items()):
        here = environment[name].version if name in environment else "not at all"
        if here != each.version:
            yield f"{name} is locked at {each.version} and installed {here}"


def _too_old(lock: list[Locked], wishes: list[Requirement]) -> Iterator[str]:
    for wish in wishes:
        versions = [each.version for each in lock if each.name == canonicalize_name(wish.name)]
        if not versions or not all(wish.specifier.contains(version) for version in versions):
            yield f"{wish} is wished for and {', '.join(versions) or 'nothing'} is locked"
