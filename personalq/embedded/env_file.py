"""The `.env` file that a first start makes, so that nobody has to invent secrets."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path

from personalq.embedded.errors import EmbeddedError
from personalq.embedded.private_files import inherit_owner

GENERATED_SECRETS = ("SECRET_KEY", "JWT_SIGNING_KEY", "PERSONALQ_ENCRYPTION_KEYS", "PERSONALQ_AUDIT_KEYS")
ASSIGNMENT = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*")
HEADER = """\
# Made by the first `manage.py up`. Private: keep it out of git, backups of others and chats.
# docs/operations.md explains every variable; a variable of the real environment wins over this file.
"""
LOOPBACK_SETTINGS = """\
ALLOWED_HOSTS=localhost,127.0.0.1
# This start listens on 127.0.0.1 without TLS, so browsers must get cookies that work on plain HTTP.
# Behind a TLS proxy remove the next line: cookies, HSTS and the redirect then insist on HTTPS.
PERSONALQ_HTTPS=false
"""


def locate_env_file(repository: Path, environment: Mapping[str, str]) -> Path:
    """The file that the settings read: PERSONALQ_ENV_FILE, or `.env` beside manage.py."""
    return repository / (environment.get("PERSONALQ_ENV_FILE") or ".env")


def make_secret() -> str:
    """384 random bits. Hexadecimal digits cannot spell a word that the settings refuse as a placeholder."""
    return secrets.token_hex(48)


def make_or_complete(path: Path, environment: Mapping[str, str]) -> str:
    """Make the file, or append the generated secrets it lacks, and touch nothing else.

    Returns one sentence on what was done, or "" if nothing was.
    Raises: EmbeddedError when the file cannot be written or read.
    """
    try:
        if not path.exists() and _make(path):
            return f"Made {path} with fresh secrets (readable only by you)."
        return _complete(path, environment)
    except PermissionError as error:
        raise EmbeddedError(f"{path} cannot be read and written by you: {error.strerror}. Check its owner.") from error


def _make(path: Path) -> bool:
    """Write the whole file aside and link it into place. Returns False if somebody else was first."""
    descriptor, name = tempfile.mkstemp(prefix=".env-", dir=path.parent)
    fresh = Path(name)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(HEADER + _lines_for(GENERATED_SECRETS) + LOOPBACK_SETTINGS)
            file.flush()
            os.fsync(descriptor)
        inherit_owner(fresh)
        os.link(fresh, path)  # unlike a rename it never replaces a file
    except FileExistsError:
        return False
    finally:
        fresh.unlink()
    return True


def _complete(path: Path, environment: Mapping[str, str]) -> str:
    if not path.is_file():
        raise EmbeddedError(f"{path} is not a file. Correct PERSONALQ_ENV_FILE or unset it.")
    with path.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        text = file.read()
        missing = find_missing(parse(text), environment)
        if not missing:
            return ""
        separator = "" if text.endswith("\n") or not text else "\n"
        file.seek(0, os.SEEK_END)
        file.write(separator + _lines_for(missing))
    return f"Added to {path}: {', '.join(missing)}."


def find_missing(given: Mapping[str, str], environment: Mapping[str, str]) -> tuple[str, ...]:
    """The generated secrets that neither the file nor the environment gives, directly or as *_FILE."""
    known = set(given) | set(environment)
    return tuple(name for name in GENERATED_SECRETS if not {name, f"{name}_FILE"} & known)


def read_env_file(path: Path) -> dict[str, str]:
    """The assignments of the file, for the few names that the supervisor itself needs."""
    try:
        return parse(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise EmbeddedError(f"{path} cannot be read: {error}") from error


def parse(text: str) -> dict[str, str]:
    found = (ASSIGNMENT.fullmatch(line) for line in text.splitlines() if not line.lstrip().startswith("#"))
    return {match[1]: _unquote(match[2]) for match in found if match}


def _unquote(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return value


def is_open_to_others(path: Path) -> bool:
    """Whether group or others may read the file."""
    try:
        return path.is_file() and bool(path.stat().st_mode & 0o077)
    except OSError:
        return False


def _lines_for(names: tuple[str, ...]) -> str:
    return "".join(f"{name}={make_secret()}\n" for name in names)
