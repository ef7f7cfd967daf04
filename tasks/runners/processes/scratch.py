"""The directories programs work in: private, one per attempt, gone afterwards.

    <base>/worker-…/attempt-…

A worker holds a lock on its own directory for as long as it lives, so whatever is not locked has lost its
owner. Process numbers would not do: they are used again, and mean nothing in another container.
"""

import asyncio
import fcntl
import itertools
import logging
import os
import stat
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.conf import settings

from tasks.runners.processes.cancelling import see_through
from tasks.runners.processes.strays import kill_strays

logger = logging.getLogger(__name__)

_WORKER_PREFIX: Final = "worker-"
_ATTEMPT_PREFIX: Final = "attempt-"


class ScratchNotPrivateError(Exception):
    """Others could look into, or replace, what programs write."""


@dataclass(frozen=True)
class _Hold:
    """This process's own directory below the base, and the lock that shows it to be in use."""

    directory: Path
    lock: int
    process: int

    def is_good_for(self, base: Path) -> bool:
        # A fork must not share its parent's directory, and cleaners of /tmp may have taken it away.
        return self.process == os.getpid() and self.directory.parent == base and self.directory.is_dir()


_hold: _Hold | None = None
_holding: Final = threading.Lock()


@asynccontextmanager
async def attempt_directory() -> AsyncIterator[Path]:
    """A new directory of mode 0700, removed with all it holds on leaving, however that comes about.

    Raises ScratchNotPrivateError when the base directory is open to others.
    """
    directory = Path(tempfile.mkdtemp(prefix=_ATTEMPT_PREFIX, dir=_worker_directory()))
    try:
        yield directory
    finally:
        await see_through(lambda: asyncio.to_thread(remove_tree, directory))


def sweep_scratch() -> int:
    """Remove what workers that are gone left, and end what still runs there; returns how many they were.

    For the start of a worker. Takes nothing from workers that live, so it may run at any time.
    """
    try:
        base = _base()
    except (ScratchNotPrivateError, OSError):
        logger.exception("The directory for programs cannot be used; command agents will fail.")
        return 0
    return sum(_remove_abandoned(directory, base) for directory in base.glob(f"{_WORKER_PREFIX}*"))


def remove_tree(top: Path) -> None:
    """Remove a directory and all below it. What resists is logged and left for the next sweep.

    Unlike shutil.rmtree it minds neither directories without permissions nor thousands of levels, which a
    program may leave behind: each level is moved up before it is emptied. Like it, it follows no link, also none
    that a surviving program puts in a directory's place meanwhile: everything is done relative to descriptors.
    """
    try:
        holding = Path(tempfile.mkdtemp(prefix=_WORKER_PREFIX, dir=top.parent))
        with _opened(top.parent) as parent, _opened(holding) as hold:
            _empty_out([_move(top.name, parent, hold, 0)], hold)
        holding.rmdir()
    except OSError as error:
        logger.warning("A scratch directory could not be removed: %s", error)


def _empty_out(pending: list[str], hold: int) -> None:
    numbers = itertools.count(1)
    while pending:
        name = pending.pop()
        with _opened(name, hold) as directory:
            pending.extend(_empty(directory, hold, numbers))
        os.rmdir(name, dir_fd=hold)


def _empty(directory: int, hold: int, numbers: Iterator[int]) -> list[str]:
    """Remove the files and move the directories out; returns what those are called now."""
    with os.scandir(directory) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_directory in found:
        if not is_directory:
            os.unlink(name, dir_fd=directory)
    return [_move(name, directory, hold, next(numbers)) for name, is_directory in found if is_directory]


def _move(name: str, parent: int, hold: int, number: int) -> str:
    # A directory that we may not write to cannot be moved either.
    _permit(name, parent)
    os.rename(name, str(number), src_dir_fd=parent, dst_dir_fd=hold)
    return str(number)


def _permit(name: str, parent: int) -> None:
    if os.chmod in os.supports_follow_symlinks:
        os.chmod(name, 0o700, dir_fd=parent, follow_symlinks=False)
        return
    # Linux: such a descriptor needs no permission, and its name in /proc leads to it and nowhere else.
    descriptor = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    try:
        Path(f"/proc/self/fd/{descriptor}").chmod(0o700)
    finally:
        os.close(descriptor)


@contextmanager
def _opened(directory: Path | str, parent: int | None = None) -> Iterator[int]:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _remove_abandoned(directory: Path, base: Path) -> bool:
    # Under the lock of the base nobody is between making a directory and locking it.
    with _locked(base):
        lock = _try_lock(directory)
    if lock is None:
        return False
    try:
        kill_strays(directory)
        remove_tree(directory)
    finally:
        os.close(lock)
    return True


def _worker_directory() -> Path:
    global _hold  # noqa: PLW0603 - one directory per process, made when first needed
    base = _base()
    with _holding:
        if _hold is None or not _hold.is_good_for(base):
            _hold = _take_hold(base)
        return _hold.directory


def _take_hold(base: Path) -> _Hold:
    with _locked(base):
        directory = Path(tempfile.mkdtemp(prefix=_WORKER_PREFIX, dir=base))
        lock = _try_lock(directory)
    if lock is None:
        raise ScratchNotPrivateError(f"Somebody else locked {directory}, which was just made.")
    return _Hold(directory=directory, lock=lock, process=os.getpid())


def _try_lock(directory: Path) -> int | None:
    """The descriptor that holds the lock until closed; None when another does or nothing is there."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


@contextmanager
def _locked(base: Path) -> Iterator[None]:
    descriptor = os.open(base, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _base() -> Path:
    """The directory that holds all others, made when it is missing. Raises ScratchNotPrivateError."""
    base = _base_path()
    base.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = base.lstat()
    is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    if not is_ours or stat.S_IMODE(found.st_mode) & 0o077:
        raise ScratchNotPrivateError(
            f"{base} must be a directory of this user with mode 0700. "
            "Mend it, or name another one in PERSONALQ_SCRATCH_DIR."
        )
    return base


def _base_path() -> Path:
    # Resolved, because programs see resolved paths and strays are known by them. The last part of the default
    # is not: where all may write, somebody else's link must be seen as what it is.
    if settings.PERSONALQ_SCRATCH_DIR:
        return Path(settings.PERSONALQ_SCRATCH_DIR).resolve()
    return Path(tempfile.gettempdir()).resolve() / f"personalq-{os.geteuid()}"
