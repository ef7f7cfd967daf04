"""Files that cannot be imported are refused with what is wrong, and none is ever changed."""

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tasks.importing import UnusableFile
from tasks.models import Task
from tests.tasks.importing.older import LOOSE, TASKS, bring, write_file

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "shared.sqlite3"


def assert_refused(path: Path, sentence: str) -> None:
    with pytest.raises(UnusableFile, match=sentence):
        bring(path)
    assert Task.objects.count() == 0


def everything_in(directory: Path) -> dict[str, tuple[bytes, int]]:
    return {each.name: (each.read_bytes(), each.stat().st_mtime_ns) for each in directory.iterdir()}


def make_wal(path: Path) -> Path:
    write_file(path, {})
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = wal")
        database.execute("INSERT INTO tasks (prompt) VALUES ('second')")
        database.commit()
    return path


@pytest.fixture
def writer(file: Path) -> Iterator[sqlite3.Connection]:
    """A program that has the file open in WAL mode and has just written."""
    make_wal(file)
    with closing(sqlite3.connect(file)) as database:
        database.execute("INSERT INTO tasks (prompt) VALUES ('third')")
        database.commit()
        yield database


def test_missing_file_and_directory_are_named(tmp_path: Path) -> None:
    assert_refused(tmp_path / "none.sqlite3", "cannot be opened: No such file or directory")
    assert_refused(tmp_path, "is not a file")
    assert_refused(tmp_path / "none" / "none.sqlite3", "cannot be opened")


def test_pipe_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert_refused(tmp_path / "pipe", "is not a file")


def test_link_is_refused(file: Path) -> None:
    write_file(file, {})
    link = file.with_name("link.sqlite3")
    link.symlink_to(file)
    assert_refused(link, "is a symbolic link. Name the file itself")


@pytest.mark.parametrize(
    "content",
    [b"", b"SQLite", b"not a database\n" * 50, os.urandom(4096), b"SQLite format 3\0", b"<?xml version='1.0'?>" * 20],
    ids=["empty", "short", "text", "encrypted", "header only", "xml"],
)
def test_what_is_not_sqlite_is_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    assert_refused(file, "is not an SQLite file, or it is encrypted")


def test_file_that_ends_too_soon_is_refused(file: Path) -> None:
    write_file(file, *[{"prompt": "x" * 3000}] * 50)
    file.write_bytes(file.read_bytes()[:8192])
    assert_refused(file, "cannot be read")


def test_file_that_may_not_be_read_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_file(file, {})

    def refuse(path: Path, flags: int) -> int:
        raise PermissionError(13, "Permission denied", str(path))

    # Root may read everything, so the answer of the system is what is played here.
    monkeypatch.setattr("tasks.importing.older_file.os.open", refuse)
    assert_refused(file, "cannot be opened: Permission denied")


def test_other_database_is_told_what_it_lacks(file: Path) -> None:
    with closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE notes (a)")
    assert_refused(file, "has no table `tasks`")


def test_view_is_no_table(file: Path) -> None:
    with closing(sqlite3.connect(file)) as database:
        database.execute(LOOSE.replace("tasks", "hidden"))
        database.execute("CREATE VIEW tasks AS SELECT * FROM hidden")
    assert_refused(file, "has no table `tasks`")


@pytest.mark.parametrize("column", ["id", "prompt", "status", "createdat", "updatedat", '"order"'])
def test_missing_column_is_named(file: Path, column: str) -> None:
    write_file(file, table=LOOSE)
    with closing(sqlite3.connect(file)) as database:
        database.execute(f"ALTER TABLE tasks RENAME COLUMN {column} TO something")
    assert_refused(file, f"lacks {column.strip(chr(34))}")


def test_columns_in_other_case_are_the_same(file: Path) -> None:
    with closing(sqlite3.connect(file)) as database:
        database.execute(TASKS.replace("createdat", "createdAt").replace("CREATE TABLE tasks", "CREATE TABLE Tasks"))
        database.execute("INSERT INTO tasks (prompt) VALUES ('x')")
        database.commit()
    assert bring(file).imported == 1


def test_changes_beside_the_file_are_not_overlooked(file: Path, writer: sqlite3.Connection) -> None:
    assert_refused(file, "Beside .* lies shared.sqlite3-wal with changes that are not in it yet")
    writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert bring(file).imported == 3


def test_change_that_was_never_finished_is_not_imported(file: Path, tmp_path: Path) -> None:
    write_file(file, *[{"prompt": "x" * 3000}] * 50)
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute("PRAGMA cache_size = 1")
        database.execute("BEGIN")
        database.execute("UPDATE tasks SET prompt = 'half'")
        crashed = tmp_path / "crashed.sqlite3"
        crashed.write_bytes(file.read_bytes())
        crashed.with_name("crashed.sqlite3-journal").write_bytes(file.with_name("shared.sqlite3-journal").read_bytes())
        database.execute("ROLLBACK")
    assert_refused(crashed, "cannot be read: attempt to write a readonly database")


@pytest.mark.security
@pytest.mark.parametrize("is_wal", [False, True])
def test_nothing_beside_or_in_the_file_is_changed(tmp_path: Path, is_wal: bool) -> None:  # noqa: FBT001
    directory = tmp_path / "older #1?mode=rwc&%41"
    directory.mkdir()
    file = directory / "shared #1?.sqlite3"
    make_wal(file) if is_wal else write_file(file, {}, {})
    before = everything_in(directory)
    assert bring(file).imported == 2
    assert everything_in(directory) == before
    assert stat.S_ISREG(file.stat().st_mode)


@pytest.mark.security
def test_tables_with_secrets_are_not_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: set[str] = set()
    connect = sqlite3.connect

    def note(_action: int, table: str | None, *_: str | None) -> int:
        read.add(str(table))
        return sqlite3.SQLITE_OK

    def watch(*arguments: object, **options: object) -> sqlite3.Connection:
        database = connect(*arguments, **options)  # type: ignore[call-overload]
        database.set_authorizer(note)
        return database  # type: ignore[no-any-return]

    write_file(file, {})
    monkeypatch.setattr("tasks.importing.older_file.sqlite3.connect", watch)
    assert bring(file).imported == 1
    assert {"tasks", "system_settings"} <= read
    assert not read & {"git_credentials", "telegram_bots"}
