"""What workers outside may send."""

from typing import Final

from personalq.lib.fields import (
    LARGEST_INTEGER,
    StrictBooleanField,
    StrictCharField,
    StrictIntegerField,
    StrictSerializer,
)
from tasks import outside_work
from tasks.names import NAME_LENGTH

# What fits into one request; output may come in several pieces.
OUTPUT_LENGTH: Final = 3_000_000


def _lease() -> StrictIntegerField:
    return StrictIntegerField(
        min_value=1,
        max_value=outside_work.LONGEST_LEASE_SECONDS,
        required=False,
        help_text=f"How long to hold the task without a further report. {outside_work.LEASE_SECONDS} unless given.",
    )


class _OfAttempt(StrictSerializer):
    attempt = StrictIntegerField(
        min_value=1, max_value=LARGEST_INTEGER, help_text="The attempt that was given with the task."
    )


class NextTask(StrictSerializer):
    """Which task is wanted."""

    worker = StrictCharField(
        max_length=outside_work.WORKER_LENGTH,
        single_line=True,
        required=False,
        help_text="Who takes it, in words, for the task's history. Your user name unless given.",
    )
    agent = StrictCharField(
        max_length=NAME_LENGTH, required=False, help_text="Only tasks of this agent, by its id or name."
    )
    queue = StrictCharField(max_length=NAME_LENGTH, required=False, help_text="Only tasks of this queue.")
    lease_seconds = _lease()


class Progress(_OfAttempt):
    """A sign of life."""

    text = StrictCharField(
        max_length=OUTPUT_LENGTH,
        required=False,
        allow_blank=True,
        help_text="What to add to the task's output.",
    )
    lease_seconds = _lease()


class Completion(_OfAttempt):
    """A result."""

    result = StrictCharField(
        max_length=OUTPUT_LENGTH,
        allow_blank=True,
        help_text="What came out, at most as long as the agent's limit for output.",
    )


class Failing(_OfAttempt):
    """Why it could not be done."""

    reason = StrictCharField(
        max_length=outside_work.REASON_LENGTH, allow_blank=True, help_text="Kept in the task's history."
    )
    final = StrictBooleanField(required=False, help_text="Whether trying again would be of no use.")
