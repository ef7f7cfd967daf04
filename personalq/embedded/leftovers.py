"""Ends what an earlier run left behind when supervisor and reaper were both killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from dataclasses import dataclass
from typing import Any

from personalq.embedded.layout import Layout
from personalq.embedded.processes import read_identity
from personalq.embedded.waiting import Pause, wait_until

STOP_SECONDS = 10.0


@dataclass(frozen=True)
class Leftover:
    pid: int
    identity: str
    stop_signal: int

    def is_running(self) -> bool:
        """The number may meanwhile belong to a stranger; its start time tells."""
        return bool(self.identity) and read_identity(self.pid) == self.identity

    def send(self, number: int) -> None:
        if self.is_running():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


def stop_leftovers(layout: Layout, pause: Pause) -> int:
    """Stop the recorded children that still run. Call only with the instance lock held. Returns how many."""
    found = [leftover for leftover in read_record(layout) if leftover.is_running()]
    # The last started depends on the first started.
    for leftover in reversed(found):
        leftover.send(leftover.stop_signal)
    wait_until(lambda: not any(leftover.is_running() for leftover in found), STOP_SECONDS, pause)
    for leftover in found:
        leftover.send(signal.SIGKILL)
    wait_until(lambda: not any(leftover.is_running() for leftover in found), STOP_SECONDS, pause)
    layout.children_file.unlink(missing_ok=True)
    return len(found)


def read_record(layout: Layout) -> list[Leftover]:
    """The children that the record names; none when it is missing or damaged."""
    try:
        entries: Any = json.loads(layout.children_file.read_text())
        return [Leftover(int(e["pid"]), str(e["identity"]), int(e["signal"])) for e in entries]
    except (OSError, ValueError, KeyError, TypeError):
        return []
