"""Where the embedded servers keep their data and sockets.

The paths follow from PERSONALQ_VAR alone and not from anything that runs, so a
`manage.py shell` in a second terminal finds the same servers.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
# sockaddr_un holds 104 bytes on macOS and 108 on Linux, with the terminating zero.
MAX_SOCKET_PATH_BYTES = 100
# A comma splits PostgreSQL's unix_socket_directories and a percent sign is decoded in Redis URLs.
SAFE_SOCKET_PATH = re.compile(r"[A-Za-z0-9_./ -]+")
REDIS_DATABASE_BASE = "PERSONALQ_REDIS_DATABASE_BASE"


@dataclass(frozen=True)
class Layout:
    """Every path of one embedded installation below `root`."""

    root: Path
    redis_database_base: int = 0

    database_name = "personalq"
    database_user = "postgres"
    database_port = 5432

    @classmethod
    def default(cls) -> Layout:
        """The layout that the environment of this process names."""
        return cls.from_environment(os.environ)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Layout:
        """The layout of PERSONALQ_VAR (relative to the repository), or of `var` beside manage.py."""
        root = REPOSITORY / (environment.get("PERSONALQ_VAR") or "var")
        base = int(environment.get(REDIS_DATABASE_BASE) or 0)
        # absolute(), not resolve(): a relocated data directory is a symbolic link inside root.
        return cls(root=Path(os.path.normpath(root.absolute())), redis_database_base=base)

    @property
    def run_dir(self) -> Path:
        """Directory of the unix sockets: short and plain enough for every client."""
        inside = self.root / "run"
        return inside if is_safe_for_sockets(inside) else self.short_run_dir

    @property
    def short_run_dir(self) -> Path:
        # Not XDG_RUNTIME_DIR: a cron job or sudo would not see it and look elsewhere.
        return Path(f"/tmp/pq-{self.owner_id}-{self.digest}")  # noqa: S108 - 0700, owner checked

    @property
    def owner_id(self) -> int:
        """User id that owns the installation, or this process's while it does not exist."""
        try:
            return self.root.stat().st_uid
        except OSError:
            return os.getuid()

    @property
    def digest(self) -> str:
        return hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]

    @property
    def postgres_socket_dir(self) -> Path:
        return self.run_dir

    @property
    def postgres_data(self) -> Path:
        return self.root / "postgres"

    @property
    def redis_socket(self) -> Path:
        return self.run_dir / "redis.sock"

    @property
    def redis_data(self) -> Path:
        return self.root / "valkey"

    @property
    def logs(self) -> Path:
        return self.root / "log"

    @property
    def lock_file(self) -> Path:
        return self.root / "embedded.lock"

    @property
    def children_file(self) -> Path:
        return self.root / "children.json"

    @property
    def port_file(self) -> Path:
        return self.root / "port"

    def kept_port(self, otherwise: int) -> int:
        """Where the product listened when it was last started here: for commands that are given on another shell."""
        try:
            return int(self.port_file.read_text())
        except (OSError, ValueError):
            return otherwise

    def log_file(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def redis_url(self, database: int) -> str:
        """URL for redis-py, django-redis and channels-redis. `database` counts from the layout's base."""
        return f"unix://{self.redis_socket}?db={self.redis_database_base + database}"

    def celery_broker_url(self, database: int) -> str:
        """The same server in the spelling that Celery understands."""
        return f"redis+socket://{self.redis_socket}?virtual_host={self.redis_database_base + database}"

    def database_settings(self) -> dict[str, Any]:
        """Django's DATABASES["default"] for the embedded PostgreSQL."""
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": self.database_name,
            "USER": self.database_user,
            "HOST": str(self.postgres_socket_dir),
            "PORT": str(self.database_port),
            "CONN_HEALTH_CHECKS": True,
        }


def is_safe_for_sockets(directory: Path) -> bool:
    """Whether sockets in `directory` can be named by PostgreSQL, Valkey and all their clients."""
    longest = os.fsencode(directory / ".s.PGSQL.5432.lock")
    return len(longest) <= MAX_SOCKET_PATH_BYTES and bool(SAFE_SOCKET_PATH.fullmatch(str(directory)))
