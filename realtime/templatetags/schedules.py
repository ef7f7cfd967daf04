"""How the pages show schedules and their times."""

from datetime import UTC, datetime
from typing import Final

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from realtime.words import duration_in_words
from realtime.zones import zone_or_utc
from tasks.models import FireOutcome, Schedule, ScheduleFire, Timing
from tasks.schedules.states import ScheduleState, Warned, reason_of, state_of, warning_of

register = template.Library()

_UNITS: Final = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
_OUTCOMES: Final = {
    FireOutcome.FIRED: "badge-good",
    FireOutcome.SKIPPED: "",
    FireOutcome.MISSED: "badge-held",
    FireOutcome.FAILED: "badge-bad",
}
_LATE_SECONDS: Final = 1.0


@register.simple_tag
def zoned(at: datetime, zone: str) -> SafeString:
    """A time by the clock of a zone, with its offset; scripts leave it as it is."""
    local = at.astimezone(zone_or_utc(zone))
    offset = f"{local:%z}"
    time = f"{_clock(local)} {offset[:3]}:{offset[3:5]}"
    return format_html(
        '<time datetime="{}" data-fixed>{}, <span class="nowrap">{}</span></time>', local.isoformat(), _day(local), time
    )


@register.simple_tag
def exact(at: datetime) -> SafeString:
    """A time in UTC, which scripts turn into the reader's own, with the day and without words such as "in an hour"."""
    at = at.astimezone(UTC)
    machine = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return format_html('<time datetime="{}" data-exact>{}, {} UTC</time>', machine, _day(at), _clock(at))


@register.filter
def timing_words(schedule: Schedule) -> str:
    """When it is due, in a few words."""
    if schedule.timing == Timing.CRON:
        return format_html("<code>{}</code>", schedule.cron)
    if schedule.timing == Timing.ONCE:
        return "once"
    return f"every {interval(schedule.every_seconds or 1).removeprefix('1 ')}"


@register.filter
def state_word(schedule: Schedule) -> str:
    """Empty for what is usual."""
    state = state_of(schedule)
    return "" if state is ScheduleState.ACTIVE else state.value


@register.filter
def warning(schedule: Schedule) -> Warned | None:
    return warning_of(schedule)


@register.filter
def outcome_badge(fire: ScheduleFire) -> SafeString:
    look = _OUTCOMES[FireOutcome(fire.outcome)]
    return format_html('<span class="badge {}">{}</span>', look, fire.outcome)


@register.filter
def reason_words(fire: ScheduleFire) -> str:
    """Why there is no task; empty when there is one."""
    return reason_of(fire)


@register.filter
def drift_words(fire: ScheduleFire) -> str:
    """How much later than due it fired."""
    if fire.is_manual:
        return "by hand"
    if fire.outcome != FireOutcome.FIRED:
        return ""
    if fire.drift_seconds < _LATE_SECONDS:
        return "on time"
    return f"{duration_in_words(fire.drift_seconds)} late"


@register.filter
def interval(seconds: int) -> str:
    """Such as "1 day" or "90 seconds": in the largest unit in which it is a whole number."""
    amount, unit = next((seconds // size, unit) for size, unit in _UNITS if seconds % size == 0)
    return f"{amount:,} {unit}{'' if amount == 1 else 's'}"


# The same words as static/js/lib/times.js uses.
def _day(at: datetime) -> str:
    return at.strftime("%a %-d %b %Y")


def _clock(at: datetime) -> str:
    return at.strftime("%H:%M:%S" if at.second else "%H:%M")
