"""Shared SQLite files as the older tools leave them, and files that are something else."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from tasks.importing import Report, import_file

# As the older tools' own migrations make it.
TASKS: Final = """
CREATE TABLE tasks (
    id integer PRIMARY KEY AUTOINCREMENT, prompt text NOT NULL, status integer DEFAULT 0,
    createdat datetime DEFAULT CURRENT_TIMESTAMP, updatedat datetime DEFAULT CURRENT_TIMESTAMP,
    "order" integer DEFAULT 0, uuid varchar(255)
)
"""
# Without types every value stays what it was: what the older services never wrote, but SQL can.
LOOSE: Final = 'CREATE TABLE tasks (id, prompt, status, createdat, updatedat, "order", uuid)'
SETTINGS: Final = "CREATE TABLE system_settings (id integer PRIMARY KEY, name varchar(255) UNIQUE, value)"
CREDENTIALS: Final = "CREATE TABLE git_credentials (id integer PRIMARY KEY, token text)"
COLUMNS: Final = ("id", "prompt", "status", "createdat", "updatedat", "order", "uuid")
ROW: Final[dict[str, Any]] = {
    "prompt": "Add tests",
    "status": 0,
    "createdat": "2025-11-02 10:00:00",
    "updatedat": "2025-11-03 11:00:00.250",
    "order": 0,
    "uuid": None,
}


def write_file(path: Path, *rows: dict[str, Any], table: str = TASKS, settings: dict[Any, Any] | None = None) -> Path:
    """A file with these rows; what a row does not say is as in ROW, its number the next one."""
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as database:
        database.execute(table)
        database.execute(SETTINGS)
        database.execute(CREDENTIALS)
        database.execute("INSERT INTO git_credentials (token) VALUES ('ghp_never_to_be_read')")
        add_rows(database, rows)
        database.executemany("INSERT INTO system_settings (name, value) VALUES (?, ?)", list((settings or {}).items()))
        database.commit()
    return path


def add_rows(database: sqlite3.Connection, rows: tuple[dict[str, Any], ...]) -> None:
    wanted = ", ".join(f'"{name}"' for name in COLUMNS)
    values = [[{"id": place, **ROW, **row}[name] for name in COLUMNS] for place, row in enumerate(rows, 1)]
    database.executemany(f"INSERT INTO tasks ({wanted}) VALUES (?, ?, ?, ?, ?, ?, ?)", values)


def change_file(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute(statement)
        database.commit()


def bring(path: Path, *, is_dry_run: bool = False) -> Report:
    return import_file(path, is_dry_run=is_dry_run, progress=lambda _done, _total: None)
