"""Firing schedules that are due: each time once, whoever looks and however often.

A time is dealt with in a transaction of its own that holds the schedule's row: several beats, several workers, or one
that dies halfway neither fire a time twice nor lose one. What fires after a gap, and what is missed, `tasks.timing`
decides.
"""

import logging
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import chain, zip_longest
from typing import Final

from django.db import transaction

from personalq.lib.errors import AppError, InvalidInput
from tasks import events, timing
from tasks.clock import database_now
from tasks.lifecycle import rows
from tasks.locks import KeyBusy
from tasks.models import FireOutcome, Schedule, ScheduleFire
from tasks.schedules import fires, rules
from tasks.schedules.fires import ScheduleBusy

logger = logging.getLogger(__name__)
PASS_SECONDS: Final = 2.0
"""For how long one look goes on; the next one is there within a second."""
TURNS: Final = 100
"""How many times of one schedule are dealt with in one look."""
LOOKED_AT: Final = 5_000
LATE: Final = "late"
MISSED: Final = "missed"
FAILED: Final = "failed"
_WRITTEN: Final = (
    "next_due_at", "make_up_until_at", "last_due_at", "last_fired_at", "warning", "warned_at", "updated_at",
)  # fmt: skip


def fire_due() -> None:
    """Bring in the tasks of all schedules that are due, taking turns between owners and between schedules."""
    stop_at = time.monotonic() + PASS_SECONDS
    waiting = _in_turn()
    for _ in range(TURNS):
        still_due = []
        for schedule_id in waiting:
            if time.monotonic() >= stop_at:
                return
            if _deal_with_next(schedule_id):
                still_due.append(schedule_id)
        waiting = still_due


def _in_turn() -> list[int]:
    """The schedules that are due: of each owner the one that waits longest, then of each the second, and so on."""
    due = Schedule.objects.due().order_by("next_due_at", "id").values_list("owner_id", "id")[:LOOKED_AT]
    by_owner: dict[int, list[int]] = {}
    for owner_id, schedule_id in due:
        by_owner.setdefault(owner_id, []).append(schedule_id)
    in_turn: Iterable[int | None] = chain.from_iterable(zip_longest(*by_owner.values()))
    return [schedule_id for schedule_id in in_turn if schedule_id is not None]


def _deal_with_next(schedule_id: int) -> bool:
    """Deal with the next time of a schedule; whether there may be more. One that cannot be dealt with waits."""
    try:
        return _deal_with_next_time(schedule_id)
    except KeyBusy:
        return False
    except Exception:
        # Whatever is wrong with one must not keep the others waiting; the next look comes back to it.
        logger.exception("Schedule %s could not be dealt with now.", schedule_id)
        return False


@transaction.atomic
def _deal_with_next_time(schedule_id: int) -> bool:
    due = Schedule.objects.due().filter(pk=schedule_id).select_related("agent", "queue")
    schedule = due.select_for_update(no_key=True, skip_locked=True, of=("self",)).first()
    if schedule is None or schedule.next_due_at is None:
        return False
    now = database_now()
    try:
        rule = rules.rule_of(schedule)
    except InvalidInput as error:
        _give_up(schedule, schedule.next_due_at, now, error.errors[0].code)
        return False
    _deal_with(schedule, rule, schedule.next_due_at, now)
    schedule.save(update_fields=_WRITTEN)
    return _is_due(schedule, now)


def _is_due(schedule: Schedule, now: datetime) -> bool:
    return schedule.next_due_at is not None and schedule.next_due_at <= now


def _deal_with(schedule: Schedule, rule: timing.Rule, due_at: datetime, now: datetime) -> None:
    """Either record what is missed, or fire one time; what comes next stands in the row."""
    if schedule.make_up_until_at is None:
        decision = _decide(schedule, rule, due_at, now)
        if decision.missed is not None:
            _miss(schedule, decision.missed, now)
            schedule.next_due_at = decision.fires_from or timing.next_after(rule, decision.newest)
            schedule.make_up_until_at = decision.newest if decision.fires_from else None
            return
        schedule.make_up_until_at = decision.newest
    schedule.last_due_at = due_at
    if not _is_done(schedule, due_at):
        _fire(schedule, due_at, now)
    schedule.next_due_at = timing.next_after(rule, due_at)
    if schedule.next_due_at is None or schedule.next_due_at > schedule.make_up_until_at:
        schedule.make_up_until_at = None


def _decide(schedule: Schedule, rule: timing.Rule, due_at: datetime, now: datetime) -> timing.Decision:
    window = timedelta(seconds=schedule.catch_up_seconds)
    return timing.decide(rule, due_at=due_at, now=now, policy=schedule.catch_up_policy, window=window)


def _is_done(schedule: Schedule, due_at: datetime) -> bool:
    # A clock that was set back makes a time come again.
    return ScheduleFire.objects.filter(schedule=schedule, due_at=due_at, is_manual=False).exists()


def _fire(schedule: Schedule, due_at: datetime, now: datetime) -> None:
    try:
        with transaction.atomic():
            task = fires.submit(actor=None, schedule=schedule, due_at=due_at)
    except ScheduleBusy as busy:
        fires.note(schedule, due_at=due_at, outcome=FireOutcome.SKIPPED, code=busy.code)
        events.record_for_schedule(schedule, events.SCHEDULE_SKIPPED, due_at=rows.as_text(due_at), reason=busy.code)
    except KeyBusy:
        raise  # Somebody holds the key for a moment; the next look finds the time still due.
    except AppError as error:
        _fail(schedule, due_at, now, error.code)
    else:
        fires.note_fired(schedule, task=task, due_at=due_at, now=now)
        _judge_drift(schedule, due_at, now)


def _judge_drift(schedule: Schedule, due_at: datetime, now: datetime) -> None:
    if now - due_at > timing.GRACE:
        _warn(schedule, LATE, now)
        seconds = round((now - due_at).total_seconds(), 3)
        events.record_for_schedule(schedule, events.SCHEDULE_LATE, due_at=rows.as_text(due_at), seconds=seconds)
    elif schedule.warned_at is None or due_at > schedule.warned_at:
        # A time from before the warning, fired along with it, proves nothing.
        schedule.warning, schedule.warned_at = "", None


def _miss(schedule: Schedule, missed: timing.Missed, now: datetime) -> None:
    schedule.last_due_at = missed.last
    _warn(schedule, MISSED, now)
    if not _is_done(schedule, missed.first):
        fires.note(schedule, due_at=missed.first, until_at=missed.last, count=missed.count, outcome=FireOutcome.MISSED)
    first, last = rows.as_text(missed.first), rows.as_text(missed.last)
    events.record_for_schedule(schedule, events.SCHEDULE_MISSED, due_at=first, until_at=last, count=missed.count)


def _fail(schedule: Schedule, due_at: datetime, now: datetime, code: str) -> None:
    _warn(schedule, FAILED, now)
    fires.note(schedule, due_at=due_at, outcome=FireOutcome.FAILED, code=code)
    events.record_for_schedule(schedule, events.SCHEDULE_FAILED, due_at=rows.as_text(due_at), error_code=code)


def _give_up(schedule: Schedule, due_at: datetime, now: datetime, code: str) -> None:
    """A timing that cannot be read, such as one written by SQL or in a zone that is no more, is never due again."""
    if not _is_done(schedule, due_at):
        _fail(schedule, due_at, now, code)
    schedule.next_due_at = schedule.make_up_until_at = None
    schedule.save(update_fields=_WRITTEN)


def _warn(schedule: Schedule, warning: str, now: datetime) -> None:
    schedule.warning, schedule.warned_at = warning, now
