"""The SQLite file that the older tools share: looked at closely, opened for reading only, never changed."""

import os
import re
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from personalq.lib.errors import InvalidInput
from tasks.importing.values import PROMPT_BYTES, OlderRow

_MAGIC: Final = b"SQLite format 3\0"
_HEADER_BYTES: Final = 100
_WRITE_VERSION_AT: Final = 18
_WAL: Final = 2
_NEEDED: Final = ("id", "prompt", "status", "createdat", "updatedat", "order")
_SHORT_BYTES: Final = 200
_SETTINGS_LIMIT: Final = 1000
_STOP: Final = "Stop the older tools, so that nothing writes into it"


class UnusableFile(InvalidInput):
    """It is not the older tools' file, or it cannot be read as it stands. The detail says what to do."""

    title = "The file cannot be imported."
    advice = "Name the shared SQLite file of the older tools."


class OlderFile:
    """An opened file. Rows come as they are; what they mean is read elsewhere."""

    def __init__(self, path: Path, database: sqlite3.Connection, columns: dict[str, list[str]]) -> None:
        self._path = path
        self._database = database
        self._columns = columns
        self._before = _look(path)

    def count(self) -> int:
        """How many rows there are."""
        return int(self._one("SELECT count(*) FROM tasks"))

    def highest_id(self, limit: int) -> int:
        """The highest number up to a limit; 0 when there is none."""
        wanted = "SELECT max(id) FROM tasks WHERE typeof(id) = 'integer' AND id BETWEEN 1 AND ?"
        return int(self._one(wanted, limit) or 0)

    def rows(self) -> Iterator[OlderRow]:
        """Each row, in the order of the numbers."""
        uuid = _short("uuid") if "uuid" in self._columns["tasks"] else "NULL"
        short = [_short(name) for name in ("id", "status", "createdat", "updatedat", "order")]
        # Of a text that is far too long only its length is read.
        wanted = (
            f"SELECT {', '.join(short)}, {uuid}, length(CAST(prompt AS BLOB)), "  # noqa: S608 - constants
            f"CASE WHEN length(CAST(prompt AS BLOB)) <= {PROMPT_BYTES} THEN prompt END FROM tasks ORDER BY id"
        )
        for place, (number, status, created, updated, order, uuid, size, prompt) in enumerate(self._all(wanted), 1):
            yield OlderRow(
                place=place,
                id=number,
                prompt=prompt,
                prompt_bytes=size,
                status=status,
                createdat=created,
                updatedat=updated,
                order=order,
                uuid=uuid,
            )

    def settings(self) -> list[tuple[Any, Any]]:
        """Names and values of the settings, a thousand at most; none when the file has none."""
        if not {"name", "value"} <= set(self._columns["system_settings"]):
            return []
        wanted = f"SELECT name, value FROM system_settings ORDER BY name LIMIT {_SETTINGS_LIMIT}"  # noqa: S608
        return list(self._all(wanted))

    def expect_unchanged(self) -> None:
        """Raises UnusableFile when somebody has written into the file since it was opened."""
        if _look(self._path) != self._before or _waits_beside(self._path):
            raise UnusableFile(f"{self._path} was changed while it was read. {_STOP}, and run this again.")

    def _all(self, wanted: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        yield from self._database.execute(wanted, values)

    def _one(self, wanted: str, *values: Any) -> Any:
        (found,) = self._database.execute(wanted, values).fetchone()
        return found


@contextmanager
def opened(path: Path) -> Iterator[OlderFile]:
    """The file, for reading. Raises UnusableFile with what is wrong and what to do."""
    header = _check(path)
    try:
        with closing(_connect(path, is_wal=header[_WRITE_VERSION_AT] == _WAL)) as database:
            yield OlderFile(path, database, _find_columns(path, database))
    except sqlite3.Error as error:
        raise UnusableFile(f"{path} cannot be read: {_plain(error)} {_STOP}, and look at the file.") from error


def _check(path: Path) -> bytes:
    """The header of a file that looks like SQLite."""
    try:
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode):
            raise UnusableFile(f"{path} is a symbolic link. Name the file itself.")
        if not stat.S_ISREG(found.st_mode):
            raise UnusableFile(f"{path} is not a file. Name the SQLite file, not a directory or a device.")
        header = _read_header(path)
    except OSError as error:
        raise UnusableFile(f"{path} cannot be opened: {error.strerror}. Check the name and who may read it.") from error
    if not header.startswith(_MAGIC) or len(header) < _HEADER_BYTES:
        raise UnusableFile(f"{path} is not an SQLite file, or it is encrypted. Name the older tools' shared database.")
    if _waits_beside(path):
        raise UnusableFile(
            f"Beside {path} lies {path.name}-wal with changes that are not in it yet: a program has it open, or ended "
            f"badly. {_STOP}, then let SQLite put them in: sqlite3 {path} 'PRAGMA wal_checkpoint(TRUNCATE)'"
        )
    return header


def _read_header(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(_HEADER_BYTES)


def _waits_beside(path: Path) -> bool:
    try:
        return path.with_name(path.name + "-wal").stat().st_size > 0
    except OSError:
        return False


def _connect(path: Path, *, is_wal: bool) -> sqlite3.Connection:
    # A file in WAL mode gets files beside it even when it is only read, unless it is said not to change.
    options = "mode=ro&immutable=1" if is_wal else "mode=ro"
    database = sqlite3.connect(f"file:{quote(str(path.absolute()))}?{options}", uri=True, isolation_level=None)
    # Bytes that are no UTF-8 are told apart later, row by row.
    database.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    for pragma in ("query_only = ON", "trusted_schema = OFF", "cell_size_check = ON"):
        database.execute(f"PRAGMA {pragma}")
    # One transaction: everything that is read stood there at the same moment.
    database.execute("BEGIN")
    return database


def _find_columns(path: Path, database: sqlite3.Connection) -> dict[str, list[str]]:
    columns = {table: _columns_of(database, table) for table in ("tasks", "system_settings")}
    missing = [name for name in _NEEDED if name not in columns["tasks"]]
    if not columns["tasks"]:
        raise UnusableFile(f"{path} has no table `tasks`. Name the older tools' shared database.")
    if missing:
        raise UnusableFile(f"The table `tasks` in {path} lacks {', '.join(missing)}. It is not the older tools' table.")
    return columns


def _columns_of(database: sqlite3.Connection, table: str) -> list[str]:
    """The columns of a true table, not of a view or a virtual one; none when there is no such table."""
    is_there = database.execute(
        "SELECT 1 FROM sqlite_master WHERE type = 'table' AND rootpage > 0 AND name = ? COLLATE NOCASE", [table]
    ).fetchone()
    found = database.execute(f"PRAGMA table_info({table})").fetchall() if is_there else []
    return [str(row[1]).lower() for row in found]


def _short(name: str) -> str:
    """A value that should be short, cut when it is not: so it is refused without being read whole."""
    return (
        f"""CASE WHEN typeof("{name}") IN ('text', 'blob') THEN substr("{name}", 1, {_SHORT_BYTES}) ELSE "{name}" END"""
    )


def _look(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _plain(error: sqlite3.Error) -> str:
    """SQLite's own words, which name no value."""
    return re.sub(r"[^ -~]", "?", str(error)).rstrip(".")[:200] + "."
