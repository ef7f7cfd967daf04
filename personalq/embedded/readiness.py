"""Lets a child tell the supervisor that it is really at work."""

from __future__ import annotations

import os

READY_VARIABLE = "PERSONALQ_READY_FD"


def announce_ready() -> None:
    """Write to the pipe that the supervisor opened for this process; does nothing without one."""
    named = os.environ.pop(READY_VARIABLE, "")
    if not named.isdigit():
        return
    descriptor = int(named)
    try:
        os.write(descriptor, b"1")
        os.close(descriptor)
    except OSError:
        # The supervisor is gone or the pipe was never ours: nobody is left to tell.
        return
