"""What the values of a schedule have to be, and when it is due by them."""

from datetime import UTC, datetime
from typing import Any, Final

from django.core.exceptions import ValidationError

from accounts.models import User
from accounts.refusals import not_yours
from personalq.lib import json_bounds
from personalq.lib.errors import InvalidInput
from personalq.lib.strict_json import is_storable_text
from personalq.lib.translation import app_error_from
from tasks import timing
from tasks.models import PROMPT_LENGTH, Schedule, Timing

INPUT_BYTES: Final = 64 * 1024
INPUT_DEPTH: Final = 16
EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(timing.LAST_YEAR, 1, 1, tzinfo=UTC)
_CHECKED_ELSEWHERE: Final = {"owner", "agent", "queue", "starts_at", "input"}


def rule_of(schedule: Schedule) -> timing.Rule:
    """When a schedule is due. Raises InvalidInput naming the field that does not say it."""
    if schedule.timing == Timing.CRON:
        zone = timing.zone_named(schedule.zone)
        return timing.Cron.read(schedule.cron, zone=zone, starts_at=schedule.starts_at)
    if schedule.timing == Timing.INTERVAL:
        return timing.Interval(every_seconds=schedule.every_seconds or 0, starts_at=schedule.starts_at)
    return timing.Once(starts_at=schedule.starts_at)


def first_due_after(schedule: Schedule, now: datetime) -> datetime:
    """When it is due for the first time. Raises InvalidInput when that is never."""
    due_at = timing.next_after(rule_of(schedule), now)
    if due_at is None and schedule.timing == Timing.ONCE:
        raise InvalidInput.for_field("starts_at", "in_the_past", "This time has gone by. Choose a later one.")
    if due_at is None:
        raise InvalidInput.for_field(
            "starts_at", "out_of_range", "It never comes after this time. Choose an earlier one."
        )
    return due_at


def check(schedule: Schedule, now: datetime, *, actor: User) -> None:
    """Bring the values into the form in which they are kept. Raises InvalidInput naming a field, or NotYours."""
    try:
        schedule.clean_fields(exclude=_CHECKED_ELSEWHERE)
    except ValidationError as error:
        raise app_error_from(error) or InvalidInput() from None
    _check_text("name", schedule.name)
    _check_text("title", schedule.title)
    _check_text("prompt", schedule.prompt, is_single_line=False)
    _check_input(schedule.input)
    _check_owner(schedule, actor)
    check_timing(schedule, now)


def check_timing(schedule: Schedule, now: datetime) -> None:
    """The part of `check` that decides when it is due; without `starts_at` it begins now."""
    _refuse_foreign_fields(schedule)
    if schedule.timing == Timing.INTERVAL and not schedule.every_seconds:
        raise InvalidInput.for_field("every_seconds", "required", "Say after how many seconds it is due again.")
    schedule.starts_at = _start(schedule, now)
    rule = rule_of(schedule)
    if isinstance(rule, timing.Cron):
        schedule.cron = rule.expression
    else:
        timing.zone_named(schedule.zone)


def _refuse_foreign_fields(schedule: Schedule) -> None:
    if schedule.timing not in Timing.values:
        message = f"Use one of: {', '.join(Timing.values)}."
        raise InvalidInput.for_field("timing", "invalid_choice", message)
    if schedule.cron and schedule.timing != Timing.CRON:
        raise InvalidInput.for_field("cron", "does_not_fit", "Leave it out, or use the timing cron.")
    if schedule.every_seconds is not None and schedule.timing != Timing.INTERVAL:
        raise InvalidInput.for_field("every_seconds", "does_not_fit", "Leave it out, or use the timing interval.")


def _start(schedule: Schedule, now: datetime) -> datetime:
    starts_at: datetime | None = schedule.starts_at
    if starts_at is None and schedule.timing == Timing.ONCE:
        raise InvalidInput.for_field("starts_at", "required", "Say when.")
    if starts_at is None:
        return now.replace(microsecond=0)
    if starts_at.tzinfo is None:
        raise InvalidInput.for_field("starts_at", "invalid", "Say in which time zone, such as 2030-01-31T09:00:00Z.")
    if not EARLIEST <= starts_at <= LATEST:
        message = f"Use a time from the year {EARLIEST.year} up to the beginning of {LATEST.year}."
        raise InvalidInput.for_field("starts_at", "out_of_range", message)
    return starts_at.astimezone(UTC)


def _check_text(field: str, text: str, *, is_single_line: bool = True) -> None:
    if len(text) > PROMPT_LENGTH:
        raise InvalidInput.for_field(field, "max_length", f"Use at most {PROMPT_LENGTH} characters.")
    if not is_storable_text(text) or (is_single_line and len(text.splitlines()) > 1):
        wanted = "one line" if is_single_line else "plain text"
        raise InvalidInput.for_field(field, "invalid", f"Use {wanted} without NUL characters.")


def _check_input(value: Any) -> None:
    try:
        size = json_bounds.size_within(value, max_depth=INPUT_DEPTH)
    except ValueError:
        message = f"Send plain JSON, nested at most {INPUT_DEPTH} levels deep."
        raise InvalidInput.for_field("input", "invalid", message) from None
    if size > INPUT_BYTES:
        raise InvalidInput.for_field("input", "too_large", f"Send at most {INPUT_BYTES} bytes of JSON.")


def _check_owner(schedule: Schedule, actor: User) -> None:
    queue = schedule.queue
    if schedule.agent.owner_id != schedule.owner_id:
        raise not_yours(actor, schedule.agent)
    if queue is not None and not queue.is_shared and queue.owner_id != schedule.owner_id:
        raise not_yours(actor, queue)
