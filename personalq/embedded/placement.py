"""Puts PostgreSQL's data and sockets where its account can reach them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from personalq.embedded.layout import Layout
from personalq.embedded.private_files import make_private_directory, refuse_squatter
from personalq.embedded.service_account import ServiceAccount

ELSEWHERE = Path("/var/lib/personalq-embedded")


@dataclass(frozen=True)
class Placement:
    """Where PostgreSQL really lives; the layout may hold links to here that only we can follow."""

    data: Path
    binaries: Path
    sockets: Path


def prepare_run_dir(layout: Layout, account: ServiceAccount) -> None:
    """Make the socket directory, for its owner only. Raises: EmbeddedError if somebody else made it."""
    run_dir = layout.run_dir
    make_private_directory(run_dir)
    if not run_dir.is_relative_to(layout.root):
        refuse_squatter(run_dir, {os.getuid(), layout.owner_id, account.user or 0})
    if account.user is not None:
        os.chown(run_dir, account.user, account.group or -1)


def place_postgres(layout: Layout, account: ServiceAccount, binaries: Path) -> Placement:
    """Decide where the data and the programs are, moving out what the account cannot reach."""
    data = layout.postgres_data
    if account.user is None:
        return Placement(data, binaries, layout.run_dir)
    if layout.root.stat().st_uid == 0:
        # Let the account through; everything inside keeps its own lock.
        layout.root.chmod(0o711)
    if not account.can_enter(binaries):
        binaries = _copy_binaries(binaries)
    if data.is_symlink() or not account.can_enter(layout.root):
        data = _place_elsewhere(layout, account)
    sockets = layout.run_dir.readlink() if layout.run_dir.is_symlink() else layout.run_dir
    return Placement(data, binaries, sockets)


def remove_elsewhere(layout: Layout) -> None:
    """Remove what a throw-away installation put outside of its directory."""
    shutil.rmtree(ELSEWHERE / layout.digest, ignore_errors=True)


def _place_elsewhere(layout: Layout, account: ServiceAccount) -> Path:
    base = ELSEWHERE / layout.digest
    _make_passable(base)
    for name in ("data", "run"):
        make_private_directory(base / name)
        os.chown(base / name, account.user or -1, account.group or -1)
    if layout.run_dir.is_relative_to(layout.root):
        _replace_with_link(layout.run_dir, base / "run")
    _replace_with_link(layout.postgres_data, base / "data" / "postgres")
    return base / "data" / "postgres"


def _make_passable(directory: Path) -> None:
    """Make directories that every account may pass through, whatever our umask; what is inside is locked."""
    directory.mkdir(parents=True, exist_ok=True)
    for passed in (ELSEWHERE, directory):
        passed.chmod(0o711)


def _replace_with_link(link: Path, target: Path) -> None:
    if link.is_symlink():
        link.unlink()
    elif link.is_dir():
        # Only the sockets of servers that no longer run can be in it.
        shutil.rmtree(link)
    link.symlink_to(target)


def _copy_binaries(binaries: Path) -> Path:
    """Copy the whole installation once: PostgreSQL finds its parts and libraries relative to itself."""
    version = f"{binaries}:{(binaries / 'postgres').stat().st_mtime_ns}"
    target = ELSEWHERE / f"programs-{hashlib.sha256(version.encode()).hexdigest()[:12]}"
    copied = Path(binaries.parent.parent.name, binaries.parent.name, binaries.name)
    if not target.exists():
        _make_passable(ELSEWHERE)
        fresh = Path(tempfile.mkdtemp(prefix="copying-", dir=ELSEWHERE))
        _copy_installation(binaries.parent, fresh)
        # Whoever was faster has copied the same.
        with contextlib.suppress(OSError):
            fresh.rename(target)
        shutil.rmtree(fresh, ignore_errors=True)
    return target / copied


def _copy_installation(installation: Path, target: Path) -> None:
    package = installation.parent
    libraries = package.with_name(package.name + ".libs")
    (target / package.name).mkdir()
    shutil.copytree(installation, target / package.name / installation.name, ignore=shutil.ignore_patterns("include"))
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name)
    for directory in (target, target / package.name):
        directory.chmod(0o755)
