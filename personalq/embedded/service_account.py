"""Who runs PostgreSQL when we are root, which PostgreSQL refuses to be.

1. The data directory already belongs to an ordinary user: that user.
2. A user namespace in which root looks like an ordinary user. Nothing changes hands.
3. Where namespaces are refused (chroot, Docker): the owner of the data directory,
   else `postgres`, else `nobody`.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from personalq.embedded.errors import EmbeddedError

CANDIDATES = ("postgres", "nobody")


@dataclass(frozen=True)
class ServiceAccount:
    """How to start a server: a command prefix, or a user to change to, or neither."""

    prefix: tuple[str, ...] = ()
    user: int | None = None
    group: int | None = None

    def popen_options(self) -> dict[str, Any]:
        """Arguments for subprocess that change to this account."""
        if self.user is None:
            return {}
        return {"user": self.user, "group": self.group, "extra_groups": []}

    def can_enter(self, directory: Path) -> bool:
        """Whether this account can reach `directory` through all its parents."""
        attempt = subprocess.run(
            ["/bin/sh", "-c", 'cd "$1"', "sh", str(directory)],
            cwd="/",
            stderr=subprocess.DEVNULL,
            check=False,
            **self.popen_options(),
        )
        return attempt.returncode == 0


def choose_account(data: Path, root: Path) -> ServiceAccount:
    """The account for PostgreSQL with its data in `data` below `root`.

    Raises: EmbeddedError when we are root and none of the three ways is open.
    """
    if os.getuid() != 0:
        return ServiceAccount()
    owner = data.stat().st_uid if data.exists() else None
    if owner:
        return account_of(owner)
    namespace = find_namespace()
    if namespace:
        return ServiceAccount(prefix=namespace)
    if owner == 0:
        raise EmbeddedError(
            f"{data} belongs to root, PostgreSQL refuses root and this machine allows no user namespaces. "
            f"Give everything to an ordinary user (chown -R <user> {root}) and start again."
        )
    return _choose_other_user(root)


def account_owning(directory: Path) -> ServiceAccount:
    """The account for a server that does not mind root: the owner of its directory."""
    if os.getuid() != 0 or not directory.exists():
        return ServiceAccount()
    owner = directory.stat().st_uid
    return account_of(owner) if owner else ServiceAccount()


def account_of(user: int) -> ServiceAccount:
    try:
        group = pwd.getpwuid(user).pw_gid
    except KeyError:
        group = user
    return ServiceAccount(user=user, group=group)


def find_namespace() -> tuple[str, ...]:
    """The command prefix that makes root look like an ordinary user, or nothing where that is refused."""
    candidate = _find_candidate()
    if candidate is None:
        return ()
    # PostgreSQL looks its user up, so it has to be one that this machine knows.
    prefix = ("unshare", "--user", f"--map-user={candidate.pw_uid}", f"--map-group={candidate.pw_gid}", "--")
    try:
        attempt = subprocess.run([*prefix, "true"], capture_output=True, check=False)
    except OSError:
        return ()
    return () if attempt.returncode else prefix


def _find_candidate() -> pwd.struct_passwd | None:
    for name in CANDIDATES:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return None


def _choose_other_user(root: Path) -> ServiceAccount:
    owner = root.stat().st_uid
    if owner:
        return account_of(owner)
    candidate = _find_candidate()
    if candidate is not None:
        return ServiceAccount(user=candidate.pw_uid, group=candidate.pw_gid)
    raise EmbeddedError(
        "PostgreSQL refuses to run as root, this machine allows no user namespaces and has neither a user "
        "`postgres` nor `nobody`. Start as an ordinary user (su <user> -c 'make run')."
    )
