"""Directories and files that only their owner may read."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from personalq.embedded.errors import EmbeddedError

LOG_LIMIT_BYTES = 5 * 1024 * 1024


def make_private_directory(directory: Path) -> None:
    """Create `directory` with mode 0700, or refuse one that somebody else could have prepared."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        _refuse_foreign(directory)
    else:
        inherit_owner(directory)


def _refuse_foreign(directory: Path) -> None:
    found = directory.stat()
    if not stat.S_ISDIR(found.st_mode):
        raise EmbeddedError(f"{directory} is in the way: it is not a directory. Remove it.")
    if os.getuid() not in {0, found.st_uid}:
        raise EmbeddedError(
            f"{directory} belongs to user id {found.st_uid}, you are {os.getuid()}. "
            f"Start as that user, or give it to yourself: sudo chown -R {os.getuid()} {directory}"
        )


def refuse_squatter(directory: Path, allowed_owners: set[int]) -> None:
    """Refuse a directory in a place where everybody can write (/tmp) that is not ours alone.

    Raises: EmbeddedError for a symbolic link, a foreign owner or a mode that lets others in.
    """
    found = directory.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid in allowed_owners and not found.st_mode & 0o077:
        return
    raise EmbeddedError(f"{directory} was made by somebody else or is open to others. Remove it and start again.")


def inherit_owner(path: Path) -> None:
    """When root works in a user's directory, what it creates belongs to that user."""
    if os.getuid() != 0:
        return
    parent = path.parent.stat()
    if parent.st_uid != 0 and not parent.st_mode & stat.S_ISVTX:
        os.chown(path, parent.st_uid, parent.st_gid, follow_symlinks=False)


def open_log(path: Path) -> int:
    """Open a log for appending with mode 0600, after moving a long one aside. Returns the descriptor."""
    keep_small(path)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    inherit_owner(path)
    return descriptor


def keep_small(path: Path, limit: int = LOG_LIMIT_BYTES) -> None:
    """Copy a log longer than `limit` bytes to `<name>.1` and empty it; its writers append and go on."""
    try:
        if path.stat().st_size <= limit:
            return
    except FileNotFoundError:
        return
    older = path.with_name(path.name + ".1")
    # copy() keeps the mode; renaming instead would leave running children writing to the old file.
    shutil.copy(path, older)
    inherit_owner(older)
    os.truncate(path, 0)
