"""One address for each state of the static files, so that browsers may keep them for good.

The version is a part of the path in front of the file and not of its name: modules import each other by relative
paths and so stay within one version, and nothing has to be collected or rewritten before a start.
"""

import hashlib
from importlib.metadata import version
from pathlib import Path

# Their static files are served beside ours: a release of theirs has to change the address as well.
PACKAGES_WITH_FILES = ("Django", "djangorestframework")
VERSION_LENGTH = 12


def versioned_url(directory: Path) -> str:
    """The value of STATIC_URL for the files below ``directory``: the same on every machine that has the same files."""
    digest = hashlib.sha256()
    for package in PACKAGES_WITH_FILES:
        digest.update(f"{package} {version(package)}\n".encode())
    for path in sorted(path for path in directory.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(directory).as_posix()} {path.stat().st_size}\n".encode())
        digest.update(path.read_bytes())
    return f"/static/{digest.hexdigest()[:VERSION_LENGTH]}/"
