"""Words for the person at the terminal, also when the terminal is already gone."""

from __future__ import annotations

import os
import sys
from pathlib import Path

TAIL_LINES = 20
TAIL_BYTES = 16_384


def say(message: str = "") -> None:
    """Print one line. A closed terminal (EIO) or pipe (EPIPE) must not keep us from stopping."""
    try:
        print(message, flush=True)
    except OSError:
        silence()


def silence() -> None:
    """Send all further output nowhere, so that the interpreter's last flush cannot fail either."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None:
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def read_tail(log: Path, since: int = 0) -> str:
    """The last lines of a log after byte `since`, without control characters; empty if there are none."""
    try:
        with log.open("rb") as file:
            size = log.stat().st_size
            # Shorter than it was: it has been emptied meanwhile.
            file.seek(max(since if since <= size else 0, size - TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(_make_printable(line) for line in text.splitlines()[-TAIL_LINES:])


def _make_printable(line: str) -> str:
    return "".join(character if character.isprintable() else " " for character in line)
