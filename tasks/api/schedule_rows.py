"""Schedules and what became of them as clients see them."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.db.models import QuerySet
from django.db.models.functions import Left
from rest_framework.request import Request
from rest_framework.reverse import reverse

from tasks import schedules
from tasks.api.representations import SHOWN_PROMPT
from tasks.clock import database_now
from tasks.models import Schedule, ScheduleFire
from tasks.schedules.states import reason_of, state_of, warning_of

SHOWN_TIMES: Final = 5
_FIRE_COLUMNS: Final = (
    "due_at", "until_at", "count", "is_manual", "outcome", "code", "drift_seconds", "at", "task__uuid",
)  # fmt: skip


def schedule_rows(rows: QuerySet[Schedule]) -> QuerySet[Schedule]:
    """What `schedule_row` needs, in one query that leaves long texts in the database."""
    # One character more than is shown tells whether there is more.
    cut = rows.annotate(prompt_start=Left("prompt", SHOWN_PROMPT + 1)).defer("prompt", "input")
    return cut.select_related("agent", "queue", "owner")


def schedule_row(request: Request, viewer_zone: tzinfo | None) -> Callable[[Any], dict[str, Any]]:
    """A schedule in a list: without input, its prompt cut to 500 characters."""
    base = reverse("api-schedules", request=request)
    now = database_now()

    def represent(schedule: Any) -> dict[str, Any]:
        prompt: str = schedule.prompt_start
        return {
            **_summary(schedule, base, viewer_zone, now),
            "prompt": prompt[:SHOWN_PROMPT],
            "prompt_truncated": len(prompt) > SHOWN_PROMPT,
        }

    return represent


def schedule_in_full(schedule: Schedule, request: Request, viewer_zone: tzinfo | None = None) -> dict[str, Any]:
    """One schedule with all that belongs to it."""
    base = reverse("api-schedules", request=request)
    return {**_summary(schedule, base, viewer_zone, database_now()), "prompt": schedule.prompt, "input": schedule.input}


def times_in(moments: Sequence[datetime], zone: str, viewer_zone: tzinfo | None) -> list[dict[str, Any]]:
    """Each time in UTC, by the clock of the schedule's zone and, when it is known, by the reader's."""
    # A schedule whose zone is no more has no times either.
    own = ZoneInfo(zone) if moments else UTC
    return [
        {
            "at": moment,
            "local_at": moment.astimezone(own).isoformat(),
            "viewer_at": None if viewer_zone is None else moment.astimezone(viewer_zone).isoformat(),
        }
        for moment in moments
    ]


def fire_rows(schedule: Schedule) -> QuerySet[ScheduleFire]:
    """What `fire_row` needs, in one query that leaves the tasks' texts in the database."""
    return schedule.fires.select_related("task").only(*_FIRE_COLUMNS)


def fire_row(fire: ScheduleFire) -> dict[str, Any]:
    """What became of one time, or of several missed ones together."""
    return {
        "due_at": fire.due_at,
        "until_at": fire.until_at,
        "count": fire.count,
        "is_manual": fire.is_manual,
        "outcome": fire.outcome,
        "code": fire.code or None,
        "reason": reason_of(fire) or None,
        "drift_seconds": fire.drift_seconds,
        "task": fire.task.uuid if fire.task else None,
        "at": fire.at,
    }


def _summary(schedule: Schedule, base: str, viewer_zone: tzinfo | None, now: datetime) -> dict[str, Any]:
    warning = warning_of(schedule)
    upcoming = schedules.upcoming(schedule, SHOWN_TIMES, now=now)
    return {
        "uuid": schedule.uuid,
        "name": schedule.name,
        "timing": schedule.timing,
        "cron": schedule.cron,
        "every_seconds": schedule.every_seconds,
        "starts_at": schedule.starts_at,
        "zone": schedule.zone,
        "agent": schedule.agent.uuid,
        "agent_name": schedule.agent.name,
        "queue": schedule.queue.name if schedule.queue else None,
        "title": schedule.title,
        "order": schedule.order,
        "overlap_policy": schedule.overlap_policy,
        "catch_up_policy": schedule.catch_up_policy,
        "catch_up_seconds": schedule.catch_up_seconds,
        "state": state_of(schedule).value,
        "is_paused": schedule.is_paused,
        "next_due_at": schedule.next_due_at,
        "upcoming": times_in(upcoming, schedule.zone, viewer_zone),
        "last_due_at": schedule.last_due_at,
        "last_fired_at": schedule.last_fired_at,
        "warning": None if warning is None else asdict(warning),
        "owner": schedule.owner.get_username(),
        "created_at": schedule.created_at,
        "updated_at": schedule.updated_at,
        "url": f"{base}/{schedule.uuid}",
    }
