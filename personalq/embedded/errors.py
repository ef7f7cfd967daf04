"""What can go wrong while the embedded mode starts, said to a person.

EmbeddedError
├── AlreadyRunning     another supervisor holds the lock of this data directory
├── ChildFailed        a child ended or did not become ready; carries its log
└── StopRequested      a signal arrived while something was being waited for
"""

from __future__ import annotations

from pathlib import Path


class EmbeddedError(Exception):
    """A failure whose message tells the person at the terminal what to do."""


class AlreadyRunning(EmbeddedError):
    pass


class ChildFailed(EmbeddedError):
    """A child that is needed ended. `log` is the file that holds its last words."""

    def __init__(self, message: str, log: Path) -> None:
        super().__init__(message)
        self.log = log


class StopRequested(EmbeddedError):
    """Raised out of a wait when the person or the system asked to stop."""
