"""The list of what has to hold, and what proves each line of it.

`ids.toml` has the lines in our own words, `traceability.toml` the proofs. A proof is one of four kinds:

    test             a file of tests, a class or a test in it: tests/lib/test_asgi.py::test_head_gets_no_body
    command          a target of the Makefile or a command of ours: `make supply-chain`, `manage.py security_audit`
    inspection       a file, or a heading in it: SECURITY.md#Decisions
    not_applicable   nothing, and `why`
"""

import ast
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parents[1]
KINDS: Final = ("test", "command", "inspection", "not_applicable")
APPS: Final = ("personalq", "accounts", "tasks", "realtime", "webhooks")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How one line is proved."""

    kind: str
    by: tuple[str, ...] = ()
    why: str = ""

    @classmethod
    def read(cls, entry: Mapping[str, Any]) -> "Answer":
        return cls(kind=entry["kind"], by=tuple(entry.get("by", ())), why=entry.get("why", ""))

    def faults(self, root: Path = ROOT) -> list[str]:
        """What is wrong with it, in words; empty when it holds."""
        if self.kind not in KINDS:
            return [f"{self.kind} is no kind of proof"]
        if self.kind == "not_applicable":
            return [] if self.why and not self.by else ["it has to say why, and nothing else"]
        exists = {"test": has_test, "command": has_command, "inspection": has_passage}[self.kind]
        missing = [f"{proof} does not exist" for proof in self.by if not exists(proof, root)]
        doubled = [f"{proof} stands there twice" for proof, count in Counter(self.by).items() if count > 1]
        return missing + doubled or ([] if self.by else ["nothing proves it"])


def statements() -> dict[str, str]:
    """Each line of the list in our own words, in order. A line that stands there twice is an error of TOML."""
    return dict(_read("ids.toml"))


def answers() -> dict[str, Answer]:
    """What proves which line."""
    return {name: Answer.read(entry) for name, entry in _read("traceability.toml")["ids"].items()}


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((HERE / name).read_text(encoding="utf-8"))


def has_test(proof: str, root: Path = ROOT) -> bool:
    """Whether pytest would find tests there, without running it."""
    name, *parts = proof.split("::")
    path = root / name
    is_test_file = path.is_file() and name.startswith("tests/") and path.name.startswith("test_")
    return is_test_file and _has_node(_tree(path).body, parts)


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _has_node(body: Iterable[ast.stmt], parts: list[str]) -> bool:
    nodes = [node for node in body if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)]
    if not parts:
        return any(_is_collected(node) for node in nodes)
    first, *rest = parts
    return any(node.name == first and _is_collected(node) and (not rest or _holds(node, rest)) for node in nodes)


def _holds(node: ast.stmt, parts: list[str]) -> bool:
    return isinstance(node, ast.ClassDef) and _has_node(node.body, parts)


def _is_collected(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    if isinstance(node, ast.ClassDef):
        return node.name.startswith("Test") and _has_node(node.body, [])
    return node.name.startswith("test_")


def has_command(proof: str, root: Path = ROOT) -> bool:
    """Whether the Makefile has such a target, or an app such a command."""
    program, _, name = proof.partition(" ")
    if program == "make":
        return bool(re.search(rf"^{re.escape(name)}:", (root / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    places = [root / app / "management" / "commands" / f"{name}.py" for app in APPS]
    return program == "manage.py" and any(place.is_file() for place in places)


def has_passage(proof: str, root: Path = ROOT) -> bool:
    """Whether there is such a file, with such a heading if one is named."""
    name, _, heading = proof.partition("#")
    path = root / name
    if not path.is_file():
        return False
    return not heading or bool(re.search(rf"^#+ {re.escape(heading)}$", path.read_text(encoding="utf-8"), re.MULTILINE))


def counts() -> dict[str, int]:
    """How many lines are proved in which way, and how many in all."""
    kinds = Counter(answer.kind for answer in answers().values())
    return {"all": len(statements()), **{kind: kinds[kind] for kind in KINDS}}
