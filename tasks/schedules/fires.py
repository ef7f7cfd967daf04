"""What becomes of each time at which a schedule is due: its task, and the record of it."""

from datetime import datetime
from typing import Any, Final

from django.db import connection

from accounts.models import User
from personalq.lib.errors import Conflict
from tasks import events, lifecycle
from tasks.lifecycle import rows
from tasks.models import ConcurrencyPolicy, FireOutcome, OverlapPolicy, Schedule, ScheduleFire, Task
from tasks.models.task import Source

KEPT: Final = 200
"""How many records stay of each schedule."""
_POLICIES: Final = {
    OverlapPolicy.SKIP: ConcurrencyPolicy.DROP_NEWER,
    OverlapPolicy.QUEUE: ConcurrencyPolicy.SINGLETON,
    OverlapPolicy.CANCEL_OLDER: ConcurrencyPolicy.CANCEL_OLDER,
}


class ScheduleBusy(Conflict):
    """The schedule leaves a time out while a task of it is unfinished."""

    code = "schedule_busy"
    title = "A task of this schedule has not ended."
    advice = "Wait for it or cancel it, then try again; or give the schedule another overlap policy."


def submit(*, actor: User | None, schedule: Schedule, due_at: datetime) -> Task:
    """Bring in a task of a locked schedule. Raises ScheduleBusy, and what `lifecycle.submit` raises."""
    policy = _POLICIES.get(OverlapPolicy(schedule.overlap_policy))
    try:
        return lifecycle.submit(
            actor=actor,
            source=Source.SCHEDULE,
            agent=schedule.agent,
            queue=schedule.queue,
            prompt=schedule.prompt,
            title=schedule.title,
            order=schedule.order,
            input=schedule.input,
            concurrency_key=f"schedule {schedule.uuid}" if policy else "",
            concurrency_policy=policy or "",
            schedule=schedule,
            schedule_due_at=due_at,
        )
    except lifecycle.ConcurrencyKeyTaken:
        raise ScheduleBusy from None


def note(schedule: Schedule, *, due_at: datetime, outcome: FireOutcome, **facts: Any) -> ScheduleFire:
    """Record what became of a time of a locked schedule, and forget all but the last `KEPT` records."""
    fire = ScheduleFire.objects.create(schedule=schedule, due_at=due_at, outcome=outcome, **facts)
    _forget_old(schedule)
    return fire


def note_fired(
    schedule: Schedule,
    *,
    task: Task,
    due_at: datetime,
    now: datetime,
    actor: User | None = None,
    is_manual: bool = False,
) -> None:
    """Record that a task came in."""
    drift_seconds = max(0.0, (now - due_at).total_seconds())
    note(
        schedule,
        due_at=due_at,
        outcome=FireOutcome.FIRED,
        task=task,
        drift_seconds=drift_seconds,
        is_manual=is_manual,
    )
    told = {"task": str(task.uuid), "due_at": rows.as_text(due_at), "is_manual": is_manual}
    events.record_for_schedule(schedule, events.SCHEDULE_FIRED, actor=actor, **told)
    schedule.last_fired_at = now


def _forget_old(schedule: Schedule) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM schedule_fires WHERE schedule_id = %s AND id <= "
            "(SELECT id FROM schedule_fires WHERE schedule_id = %s ORDER BY id DESC OFFSET %s LIMIT 1)",
            [schedule.pk, schedule.pk, KEPT],
        )
