"""How a schedule stands, in words for people and programs."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import Q, QuerySet, TextChoices

from tasks import events
from tasks.models import FireOutcome, Schedule, ScheduleFire


class ScheduleState(TextChoices):
    """Whether a schedule will be due again."""

    ACTIVE = "active"
    PAUSED = "paused"
    OVER = "over"


STATES: Final = ScheduleState.values
SCHEDULE_KINDS: Final = tuple(kind for kind in events.KINDS if kind.startswith("schedule_"))
_CONDITIONS: Final = {
    ScheduleState.ACTIVE: Q(is_paused=False, next_due_at__isnull=False),
    ScheduleState.PAUSED: Q(is_paused=True),
    ScheduleState.OVER: Q(is_paused=False, next_due_at__isnull=True),
}
WARNINGS: Final = {
    "late": "It fired later than it was due.",
    "missed": "Times went by at which nothing could fire.",
    "failed": "Its task was refused when it was last due.",
}
_REASONS: Final = {
    "budget_exhausted": "the budget was used up",
    "quota_reached": "as many tasks waited as one user may have",
    "untrusted_text_refused": "the agent refuses such text",
    "schedule_busy": "an earlier task was unfinished",
}


@dataclass(frozen=True, kw_only=True)
class Warned:
    """What went wrong lately."""

    code: str
    sentence: str
    at: datetime | None


def state_of(schedule: Schedule) -> ScheduleState:
    if schedule.is_paused:
        return ScheduleState.PAUSED
    return ScheduleState.OVER if schedule.next_due_at is None else ScheduleState.ACTIVE


def in_state(rows: QuerySet[Schedule], state: str) -> QuerySet[Schedule]:
    """Those schedules that stand so."""
    return rows.filter(_CONDITIONS[ScheduleState(state)])


def warning_of(schedule: Schedule) -> Warned | None:
    """None when the last time went well."""
    code = schedule.warning
    return Warned(code=code, sentence=WARNINGS[code], at=schedule.warned_at) if code else None


def reason_of(fire: ScheduleFire) -> str:
    """Why there is no task, in words; empty when there is one."""
    if fire.outcome == FireOutcome.FIRED:
        return ""
    return _REASONS.get(fire.code) or fire.code.replace("_", " ") or fire.get_outcome_display()
