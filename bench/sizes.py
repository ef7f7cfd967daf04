"""How long functions and files are: median, ninth decile and maximum, in lines.

.venv/bin/python bench/sizes.py
"""

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
ROOMS: Final = ("personalq", "accounts", "tasks", "realtime", "webhooks", "tests", "bench")


def files(room: str) -> Iterator[Path]:
    yield from (path for path in (ROOT / room).rglob("*.py") if "migrations" not in path.parts)


def function_lengths(path: Path) -> Iterator[int]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield (node.end_lineno or node.lineno) - node.lineno + 1


def summary(lengths: list[int]) -> str:
    ninth = statistics.quantiles(lengths, n=10)[-1]
    return f"{len(lengths):5}   median {statistics.median(lengths):5.0f}   p90 {ninth:5.0f}   max {max(lengths):5}"


def main() -> None:
    product = [path for room in ROOMS[:5] for path in files(room)]
    tests = [path for room in ROOMS[5:] for path in files(room)]
    for name, paths in (("product", product), ("tests and benches", tests)):
        lines = [len(path.read_text(encoding="utf-8").splitlines()) for path in paths]
        functions = [length for path in paths for length in function_lengths(path)]
        print(f"{name}: {sum(lines)} lines")
        print(f"  files     {summary([length for length in lines if length])}")
        print(f"  functions {summary(functions)}")


if __name__ == "__main__":
    main()
