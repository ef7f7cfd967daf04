"""Showing that somebody is at work. A heartbeat is written by the very loop that does the work, so that one which
hangs falls silent; readers judge it by its age.
"""

import logging
import os
import socket
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import DatabaseError, InterfaceError
from django.db.models.functions import Now
from django.utils import timezone

from personalq.lib.version import VERSION
from tasks.models import Heartbeat
from tasks.models.heartbeat import Role

logger = logging.getLogger(__name__)
BEAT_SECONDS: Final = 5.0
FORGOTTEN_AFTER: Final = timedelta(days=1)
_SWEEP: Final = "sweep"


def beat(*, name: str, role: str, started_at: datetime, data: Mapping[str, Any]) -> None:
    """Write down that somebody is at work now. One statement; the time is the database's."""
    row = Heartbeat(name=name, role=role, started_at=started_at, data=dict(data))
    Heartbeat.objects.bulk_create(
        [row], update_conflicts=True, unique_fields=["name"], update_fields=["role", "started_at", "seen_at", "data"]
    )


def forget(name: str) -> None:
    """Take somebody off the list who ends in order, so that nobody waits for a sign of life."""
    Heartbeat.objects.filter(name=name).delete()


def beat_sweep(*, started_at: datetime) -> None:
    """Write down that a sweep has come to its end, and forget who has been silent for a day."""
    beat(name=_SWEEP, role=Role.SWEEP, started_at=started_at, data=_describe_process())
    Heartbeat.objects.filter(seen_at__lt=Now() - FORGOTTEN_AFTER).delete()


class Pulse:
    """The heartbeat of one worker process. Its methods talk to the database and block."""

    def __init__(self, *, worker: str, slots: int) -> None:
        """Take the worker's name and how many tasks it carries at most; the first beat is due at once."""
        self._name: Final = f"{Role.WORKER}:{worker}"
        self._slots: Final = slots
        self._started_at: Final = timezone.now()
        self._due_at = time.monotonic()

    @property
    def is_due(self) -> bool:
        return time.monotonic() >= self._due_at

    def beat(self, *, running: int) -> None:
        """Say that this worker lives and carries so many tasks."""
        data = {**_describe_process(), "slots": self._slots, "running": running}
        beat(name=self._name, role=Role.WORKER, started_at=self._started_at, data=data)
        self._due_at = time.monotonic() + BEAT_SECONDS

    def stop(self) -> None:
        """Say good-bye. Without a database nobody hears it, and the row gets old."""
        try:
            forget(self._name)
        except (DatabaseError, InterfaceError):
            logger.info("The heartbeat %s was not taken back; it gets old by itself.", self._name)


def _describe_process() -> dict[str, Any]:
    return {"version": VERSION, "host": socket.gethostname(), "pid": os.getpid()}
