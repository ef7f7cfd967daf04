"""Finds the Chromium of this machine for the browser tests."""

from __future__ import annotations

import os
import shutil
import sys

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ADVICE = (
    "The browser tests need Chromium. Install it (Debian: sudo apt install chromium, Fedora: dnf install "
    "chromium), or name yours: PERSONALQ_CHROMIUM=/path/to/chromium make test-browser"
)


def find_browser() -> str | None:
    """The path of the program, PERSONALQ_CHROMIUM first."""
    named = os.environ.get("PERSONALQ_CHROMIUM")
    if named:
        return shutil.which(named)
    return next((found for found in map(shutil.which, PROGRAMS) if found), None)


def main() -> int:
    found = find_browser()
    print(found or ADVICE, file=sys.stdout if found else sys.stderr)
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main())
