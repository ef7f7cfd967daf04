"""Files that hold secrets or data: who else on this machine may read or change them."""

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from django.conf import settings

from personalq.lib.inspection import Result, Scene, bad, fine, inspection, name_some, noted

MOST_LOOKED_AT: Final = 20_000
ROOMS: Final = ("accounts", "personalq", "realtime", "static", "tasks", "templates", "webhooks")


@inspection(
    "files.secrets",
    "medium",
    "critical",
    looks_at="The files that secrets were read from (.env, …_FILE): mode and owner. Medium: others of the same group "
    "may read. Critical: everybody may read, or others may change them.",
    advice="chmod 600 (or 640 with a group of its own) and chown them to root or to the user that runs the product.",
)
def secrets(_: Scene) -> Result:
    found = [Path(each) for each in settings.PERSONALQ_SECRET_FILES]
    if not found:
        return noted("All secrets came from the environment.")
    open_to_all = [str(path) for path in found if _mode(path) & 0o027 or _is_foreign(path)]
    if open_to_all:
        return bad("critical", f"Others may read or change {name_some(open_to_all)}.")
    open_to_group = [str(path) for path in found if _mode(path) & 0o040]
    if open_to_group:
        return bad("medium", f"Its group may read {name_some(open_to_group)}.")
    return fine(f"{len(found)} files are closed to others.")


@inspection(
    "files.data",
    "high",
    looks_at="The data directory of the embedded mode: databases, sockets, logs. Nothing in it may be open to others.",
    advice="Stop the product, then chmod -R go-rwx on the data directory (PERSONALQ_VAR) and chown it to its user.",
)
def data(_: Scene) -> Result:
    if not settings.PERSONALQ_DATA_DIRECTORIES:
        return noted("PostgreSQL and Redis are servers of your own; their files are not looked at.")
    roots = [Path(each) for each in settings.PERSONALQ_DATA_DIRECTORIES]
    # What lies below a closed directory is out of reach whatever its own mode says.
    exposed = [str(path) for root in roots if root.exists() for path in _reachable_by_others(root)]
    if exposed:
        return bad("high", f"Others on this machine reach {name_some(exposed)}.", count=len(exposed))
    return fine("The data directory is closed to others.")


@inspection(
    "files.scratch",
    "high",
    looks_at="Where programs get their directories (PERSONALQ_SCRATCH_DIR).",
    advice="chmod 700 the directory, and let it belong to the worker's user.",
)
def scratch(_: Scene) -> Result:
    if not settings.PERSONALQ_SCRATCH_DIR:
        return fine("Programs get directories of mode 0700 in the system's temporary directory.")
    path = Path(settings.PERSONALQ_SCRATCH_DIR)
    if not path.exists():
        return noted(f"{path} is not on this machine.")
    if _mode(path) & 0o077 or _is_foreign(path):
        return bad("high", f"Others reach {path}.")
    return fine(f"{path} is closed to others.")


@inspection(
    "files.code",
    "high",
    looks_at="Whether others than root and the product's user may change the product's own files.",
    advice="chown the checkout to root and chmod -R go-w.",
)
def code(_: Scene) -> Result:
    base = Path(settings.BASE_DIR)
    rooms = [base, *(base / each for each in ROOMS)]
    loose = [str(path) for path in _below(rooms) if path.suffix != ".pyc" and _mode(path) & 0o002]
    if loose:
        return bad("high", f"Everybody may change {name_some(loose)}.", count=len(loose))
    return fine("Nobody else may change the product's files.")


def _below(rooms: Iterable[Path]) -> Iterator[Path]:
    """The rooms and what is in them; of the first one only itself and its own files."""
    first, *others = rooms
    yield from (first, *(path for path in first.iterdir() if path.is_file() and not path.is_symlink()))
    for room in others:
        if room.is_dir():
            yield room
            yield from (path for path in room.rglob("*") if not path.is_symlink())


def _reachable_by_others(root: Path) -> Iterator[Path]:
    """Below a directory, whatever others can get at; nothing below one that they cannot enter."""
    looked_at, waiting = 0, [root]
    while waiting and looked_at < MOST_LOOKED_AT:
        path = waiting.pop()
        looked_at += 1
        mode = _mode(path)
        if path.is_symlink() or not mode & 0o077:
            continue
        yield path
        if path.is_dir() and mode & 0o011:
            waiting += _entries(path)


def _entries(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except OSError:
        return []


def _mode(path: Path) -> int:
    try:
        return stat.S_IMODE(path.lstat().st_mode)
    except OSError:
        return 0


def _is_foreign(path: Path) -> bool:
    try:
        return path.stat().st_uid not in {0, os.geteuid()}
    except OSError:
        return False
