"""How long an import takes: 100,000 rows of an older SQLite file, beside plain COPY of the same rows.

    .venv/bin/python bench/import_tasks.py [NUMBER OF ROWS]

Starts a product of its own and stops it. COPY writes the same rows into the same table with the same indexes, rules and
constraints, before and after the import; the ratio is to the mean of both. A second import finds everything present.
Ends with status 1 when a count is wrong.
"""

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import psycopg

sys.path.insert(0, str(Path(__file__).resolve().parent))

from own_product import ROOT, Product, running

ROWS: Final = 100_000
STATUSES: Final = (0, 0, 0, 1, 1, 1, 1, 2, 3, 4)
OURS: Final = (0, 0, 0, 1, 1, 1, 1, 2, 3, 0)
BEGUN: Final = datetime(2025, 1, 1, tzinfo=UTC)
TABLE: Final = (
    "CREATE TABLE tasks (id integer PRIMARY KEY AUTOINCREMENT, prompt text NOT NULL, status integer DEFAULT 0, "
    'createdat datetime, updatedat datetime, "order" integer DEFAULT 0, uuid varchar(255) UNIQUE)'
)
COPY: Final = (
    'COPY tasks (prompt, status, recorded_status, createdat, updatedat, "order", source, queue_id, finished_at, '
    "archived_from) FROM STDIN"
)


def rows(number: int) -> Iterator[tuple[int, str, datetime]]:
    """Place, prompt and time; prompts are 400 characters long, as those of agents are."""
    for place in range(number):
        yield (
            place,
            f"Task {place}: " + "look at the report and say what is missing. " * 9,
            BEGUN + timedelta(minutes=place),
        )


def write_file(path: Path, number: int) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute(TABLE)
        database.executemany(
            'INSERT INTO tasks (prompt, status, createdat, updatedat, "order") VALUES (?, ?, ?, ?, ?)',
            (
                (prompt, STATUSES[place % 10], f"{at:%Y-%m-%d %H:%M:%S}", f"{at:%Y-%m-%d %H:%M:%S}", place % 7)
                for place, prompt, at in rows(number)
            ),
        )
        database.commit()


def copy_plainly(product: Product, number: int) -> float:
    """Seconds for COPY of the same rows, with its commit."""
    with psycopg.connect(host=str(product.var / "run"), user="postgres", dbname="personalq") as connection:
        found = connection.execute("SELECT id FROM queues WHERE name = 'default' AND owner_id IS NULL").fetchone()
        queue = found[0] if found else None
        started = time.monotonic()
        with connection.cursor() as cursor, cursor.copy(COPY) as copy:
            for place, prompt, at in rows(number):
                status = OURS[place % 10]
                ended = at if status in {1, 2} else None
                archived_from = 1 if status == 2 else None
                copy.write_row(
                    (prompt, status, status, at, at, place % 7, "import", queue, ended, archived_from),
                )
        connection.commit()
        return time.monotonic() - started


def run_import(product: Product, path: Path) -> tuple[float, dict[str, Any]]:
    """Seconds for the command from its start to its end, and its summary."""
    environment = {
        **os.environ,
        "PERSONALQ_VAR": str(product.var),
        "PERSONALQ_ENV_FILE": str(product.var.parent / "env"),
    }
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "manage.py", "import_tasks", "--sqlite", str(path)],
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
    )
    return time.monotonic() - started, json.loads(done.stdout)


def main() -> int:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    with running() as product:
        path = product.var.parent / "shared.sqlite3"
        write_file(path, number)
        before = copy_plainly(product, number)
        seconds, summary = run_import(product, path)
        after = copy_plainly(product, number)
        again, repeated = run_import(product, path)
    plain = (before + after) / 2
    print(f"plain COPY  {number:7} rows in {before:5.1f} s and {after:5.1f} s")
    print(f"import      {summary['imported']:7} rows in {seconds:5.1f} s, {seconds / plain:4.1f} times COPY")
    print(f"once more   {repeated['present']:7} present in {again:5.1f} s, {again / plain:4.1f} times COPY")
    return 0 if (summary["imported"], repeated["imported"], repeated["present"]) == (number, 0, number) else 1


if __name__ == "__main__":
    sys.exit(main())
