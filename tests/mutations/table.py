"""The table of mutations, read and checked."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Change:
    """A text that is replaced by another in one file."""

    file: str
    old: str
    new: str

    def is_possible(self, root: Path = ROOT) -> bool:
        """Whether the text stands there exactly once."""
        return (root / self.file).read_text(encoding="utf-8").count(self.old) == 1

    def apply(self, root: Path) -> None:
        path = root / self.file
        path.write_text(path.read_text(encoding="utf-8").replace(self.old, self.new), encoding="utf-8")


@dataclass(frozen=True)
class Mutation:
    """A guard that is taken out, and the tests of which one has to notice."""

    name: str
    changes: tuple[Change, ...]
    tests: tuple[str, ...]

    @classmethod
    def read(cls, entry: dict[str, Any]) -> "Mutation":
        given = [entry, entry["also"]] if "also" in entry else [entry]
        changes = tuple(Change(one["file"], one["old"], one["new"]) for one in given)
        return cls(entry["name"], changes, tuple(entry["tests"]))


def mutations() -> list[Mutation]:
    """Every entry of table.toml."""
    table = tomllib.loads(Path(__file__).with_name("table.toml").read_text(encoding="utf-8"))
    return [Mutation.read(entry) for entry in table["mutation"]]
