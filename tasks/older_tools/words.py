"""How the older service put things: names of members, times, ids of its jobs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from personalq.lib.errors import AppError, NotFound
from personalq.lib.translation import app_error_from
from tasks.models import Schedule
from tasks.names import NAME_LENGTH

LONGEST_QUOTED: Final = 100
# Ours on the left. Several of ours stand behind one of theirs.
_OLDER_NAMES: Final = {
    "target_url": "targetUrl",
    "one_time": "oneTime",
    "cron": "schedule",
    "every_seconds": "schedule",
    "timing": "schedule",
    "secret": "headers",
    "timeout_seconds": "timeout",
}


@contextmanager
def in_older_words() -> Iterator[None]:
    """Let errors name the members that the client sent. Has to surround the transaction."""
    try:
        yield
    except Exception as raised:
        error = app_error_from(raised)
        if error is None or not error.errors:
            raise
        raise _renamed(error) from None


def _renamed(error: AppError) -> AppError:
    error.errors = [replace(each, field=_OLDER_NAMES.get(each.field, each.field)) for each in error.errors]
    return error


def no_such(noun: str, name: str) -> NotFound:
    """The older sentence, with what to do about it. Of a long name it repeats the beginning."""
    return NotFound(f'{noun} "{name[:LONGEST_QUOTED]}" not found. Ask for the list to see which there are.')


def expect_storable(noun: str, name: str) -> None:
    """Raises NotFound for what cannot be a name of anything here, before the database is asked for it."""
    if len(name) > NAME_LENGTH or not name.isprintable():
        raise no_such(noun, name)


def moment(at: datetime) -> str:
    """A time as JavaScript writes it: UTC with three digits of a second."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def job_of_run(name: str, at: datetime) -> str:
    """The id of a job that runs once, by the time at which it came in."""
    return f"agent:{name}:{_milliseconds(at)}"


def job_of_schedule(schedule: Schedule) -> str:
    """The id of a job that comes again: its schedule and the time at which it is due, or was last."""
    at = schedule.next_due_at or schedule.last_due_at or schedule.created_at
    return f"repeat:{schedule.uuid.hex}:{_milliseconds(at)}"


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
