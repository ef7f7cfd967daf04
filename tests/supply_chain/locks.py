"""The locks: every line of requirements/*.txt, and the wishes that they were made from."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.contracts.reading import REPOSITORY

REQUIREMENTS = REPOSITORY / "requirements"
NAMES = ("base", "dev", "tools")
_PINNED = re.compile(r"(?P<requirement>[A-Za-z0-9._-]+==[A-Za-z0-9.!+_-]+)(?: ; (?P<marker>[^\\]+?))?\s*(?:--hash=|$)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})(?=\s|$)")


@dataclass(frozen=True)
class Locked:
    """One version of one package, for the machines that its marker names."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]

    def is_for_here(self) -> bool:
        """Whether this machine and this Python install it."""
        return not self.marker or Marker(self.marker).evaluate()

    def as_line(self) -> str:
        """A line of a requirements file for every machine."""
        return " ".join([f"{self.name}=={self.version}", *(f"--hash=sha256:{each}" for each in self.hashes)])


def path_of(name: str) -> Path:
    return REQUIREMENTS / f"{name}.txt"


def statements(text: str) -> list[str]:
    """The lines of a requirements file without comments, continued ones joined."""
    without_comments = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    joined = "\n".join(without_comments).replace("\\\n", " ")
    return [" ".join(line.split()) for line in joined.splitlines() if line.strip()]


def faults_in(text: str) -> Iterator[str]:
    """Each line of a lock that is not one package, at one version, with a SHA-256 of each of its files."""
    for line in statements(text):
        found = _PINNED.match(line)
        if not found:
            yield f"{line[:80]}: not pinned with =="
        elif not _HASH.search(line):
            yield f"{found['requirement']}: no sha256"
        elif len(_HASH.findall(line)) != line.count("--"):
            yield f"{found['requirement']}: something other than --hash=sha256:…"


def read(text: str) -> list[Locked]:
    """Every package of a lock without faults."""
    return [_locked(line) for line in statements(text)]


def read_named(name: str) -> list[Locked]:
    return read(path_of(name).read_text())


def _locked(line: str) -> Locked:
    found = _PINNED.match(line)
    if not found:
        raise ValueError(line)
    package, _, version = found["requirement"].partition("==")
    return Locked(canonicalize_name(package), version, (found["marker"] or "").strip(), tuple(_HASH.findall(line)))


def wishes(name: str) -> list[Requirement]:
    """What requirements/<name>.in asks for, the files that it names included."""
    found: list[Requirement] = []
    for line in statements((REQUIREMENTS / f"{name}.in").read_text()):
        if line.startswith("-r "):
            found += wishes(Path(line[3:]).stem)
        elif not line.startswith("-c "):
            found.append(Requirement(line))
    return found
