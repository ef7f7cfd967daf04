"""Looks for secrets in every file of the tree, and in every line that was ever committed."""

import hashlib
import subprocess
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from tests.contracts.reading import REPOSITORY
from tests.supply_chain.secret_patterns import found_in
from tests.supply_chain.verdicts import Result, Verdict, judge

KNOWN = Path(__file__).with_name("known_secrets.toml")
# Locks are hashes and nothing else, which another check makes sure of.
_NO_TEXT = ("requirements/*.txt", "docs/sbom.cdx.json", "*.png")
_LONGEST_LINE = 20_000


@dataclass(frozen=True)
class Found:
    """Something that looks like a secret. It is told by its digest, never by itself."""

    place: str
    rule: str
    digest: str

    @classmethod
    def of(cls, place: str, rule: str, value: str) -> "Found":
        return cls(place, rule, digest_of(value))

    def __str__(self) -> str:
        return f"{self.place}: {self.rule} ({self.digest})"


@dataclass(frozen=True)
class Explained:
    """Values that somebody has looked at, and why they are no secrets."""

    why: str
    digests: frozenset[str]

    @classmethod
    def read(cls, entry: dict[str, Any]) -> "Explained":
        return cls(entry["why"], frozenset(entry["digests"]))


def digest_of(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()[:16]


def explanations(path: Path = KNOWN) -> list[Explained]:
    return [Explained.read(entry) for entry in tomllib.loads(path.read_text())["known"]]


def check_tree(root: Path = REPOSITORY) -> Result:
    """Every file that is, or could be, committed."""
    files = files_of(root)
    faults = unexplained(in_tree(root, files), explanations())
    return judge(faults, good=f"{len(files)} files hold nothing that looks like one and is not explained")


def check_history(root: Path = REPOSITORY) -> Result:
    """Every line that a commit before this one brought; a clone that was cut off is said to be."""
    if git(root, "rev-parse", "--is-shallow-repository").strip() != "false":
        return Result(Verdict.NOT_CHECKED, "this is no whole clone: git fetch --unshallow, then run this again")
    commits = git(root, "rev-list", "--count", "HEAD").strip()
    faults = unexplained(in_history(root), explanations())
    return judge(faults, good=f"{commits} commits brought nothing that looks like one and is not explained")


def unexplained(found: Iterable[Found], known: list[Explained]) -> list[str]:
    left = {each for each in found if not any(each.digest in one.digests for one in known)}
    return sorted(str(each) for each in left)


def in_tree(root: Path, files: list[str]) -> Iterator[Found]:
    for name in files:
        text = (root / name).read_text(encoding="utf-8", errors="replace")
        for number, line in enumerate(text.splitlines(), start=1):
            yield from (Found.of(f"{name}:{number}", *pair) for pair in found_in(line[:_LONGEST_LINE]))


def in_history(root: Path) -> Iterator[Found]:
    """Added lines and the messages of commits. A line that came several times is told once."""
    excluded = [f":(exclude,glob)**/{pattern}" for pattern in _NO_TEXT]
    messages = git(root, "log", "--format=commit %h%n%B", "HEAD")
    log = git(root, "log", "--patch", "--cc", "--unified=0", "--format=commit %h", "HEAD", "--", ".", *excluded)
    seen: set[tuple[str, str]] = set()
    commit = file = ""
    for line in (messages + log).splitlines():
        commit, file = _moved(line, commit, file)
        for pair in found_in(line[:_LONGEST_LINE]):
            if not line.startswith("-") and pair not in seen:
                seen.add(pair)
                yield Found.of(f"{commit} {file}", *pair)


def files_of(root: Path) -> list[str]:
    """What git follows or would follow; without git every file."""
    if git(root, "rev-parse", "--is-inside-work-tree").strip() == "true":
        names = git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    else:
        names = [str(path.relative_to(root)) for path in root.rglob("*")]
    return sorted({name for name in names if (root / name).is_file() and not _is_left_out(name)})


def _is_left_out(name: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in _NO_TEXT)


def git(root: Path, *arguments: str) -> str:
    """What git says; nothing where there is no git or no repository."""
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.decode(errors="replace") if done.returncode == 0 else ""


def _moved(line: str, commit: str, file: str) -> tuple[str, str]:
    if line.startswith("commit "):
        return line.split()[1], "(message)"
    if line.startswith("+++ b/"):
        return commit, line.removeprefix("+++ b/")
    return commit, file
