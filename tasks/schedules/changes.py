"""Making, changing, pausing, running and deleting schedules, for API, pages, MCP, commands and admin alike."""

import logging
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, TypedDict, Unpack

from django.db import transaction

from accounts.models import User
from personalq.lib.constraints import NameTaken, conflicts
from personalq.lib.errors import Conflict, NotFound
from tasks import events, locks, quotas, timing, trail
from tasks.clock import database_now
from tasks.models import Agent, Queue, Schedule, Task
from tasks.schedules import fires, rules

_logger = logging.getLogger(__name__)
MOST_SHOWN: Final = 100
REMEMBERED: Final = 4_096
_INSTANT: Final = timedelta(microseconds=1)
_TIMING_FIELDS: Final = frozenset({"timing", "cron", "every_seconds", "starts_at", "zone"})


class TimingFields(TypedDict, total=False):
    """When it is due. Without `starts_at` a cron expression holds from now on, and intervals are counted from now."""

    cron: str
    every_seconds: int | None
    starts_at: datetime | None
    zone: str


class ScheduleFields(TimingFields, total=False):
    """What may be left out. Without a queue its tasks go to the agent's."""

    queue: Queue | None
    title: str
    order: int
    input: Any
    overlap_policy: str
    catch_up_policy: str
    catch_up_seconds: int


class ScheduleChanges(ScheduleFields, total=False):
    """What can be changed later."""

    name: str
    timing: str
    agent: Agent
    prompt: str


_CHANGEABLE: Final = frozenset(ScheduleChanges.__annotations__)


def create(
    *, actor: User, name: str, timing: str, agent: Agent, prompt: str, **fields: Unpack[ScheduleFields]
) -> Schedule:
    """Make a schedule of `actor` with an agent of theirs; it is due from now on.

    Raises InvalidInput naming the field (`bad_cron`, `unknown_zone`, `in_the_past`, …), NotYours, NameTaken,
    QuotaReached, or Conflict when agent or queue vanished.
    """
    schedule = Schedule(owner=actor, name=name, timing=timing, agent=agent, prompt=prompt, **_nameless(fields))
    now = database_now()
    rules.check(schedule, now, actor=actor)
    schedule.next_due_at = rules.first_due_after(schedule, now)
    with conflicts(taken=_name_taken(), gone=_gone("agent or queue")), transaction.atomic():
        quotas.take_place_for_schedule(actor)
        if schedule.is_frequent:
            quotas.take_place_for_frequent_schedule(actor)
        _keep_references(schedule)
        schedule.save()
        events.record_for_schedule(schedule, events.SCHEDULE_CREATED, actor=actor)
        trail.note("made", schedule, actor, name=name)
    _log("created", schedule, actor)
    return schedule


def change(*, actor: User, schedule: Schedule, **changes: Unpack[ScheduleChanges]) -> Schedule:
    """Change a schedule; what is not given stays. Another timing counts from now: nothing older is made up for.

    Another kind of timing drops what belonged to the former one. Tasks that came in before stay as they are. Raises as
    `create`, and NotFound when the schedule was deleted meanwhile.
    """
    with conflicts(taken=_name_taken(), gone=_gone("agent or queue")), transaction.atomic():
        current = _lock(schedule)
        before, was_frequent = _values(current), current.is_frequent
        for name, value in _for_kind(current, changes).items():
            setattr(current, name, value)
        now = database_now()
        rules.check(current, now, actor=actor)
        changed = {name for name, value in _values(current).items() if value != before[name]}
        if not changed:
            return current
        if changed & _TIMING_FIELDS:
            due_at = rules.first_due_after(current, now)
            _set_due(current, None if current.is_paused else due_at)
        if current.is_frequent and not was_frequent:
            quotas.take_place_for_frequent_schedule(current.owner)
        _keep_references(current)
        current.save()
        events.record_for_schedule(current, events.SCHEDULE_CHANGED, actor=actor, changed=sorted(changed))
        trail.note("changed", current, actor, changed=sorted(changed))
    _log("changed", current, actor)
    return current


@transaction.atomic
def pause(*, actor: User, schedule: Schedule) -> Schedule:
    """Bring in no more tasks; those that came in go on. Repeating it changes nothing."""
    current = _lock(schedule)
    if not current.is_paused:
        current.is_paused = True
        _set_due(current, None)
        _save(current, "paused", events.SCHEDULE_PAUSED, actor)
    return current


@transaction.atomic
def resume(*, actor: User, schedule: Schedule) -> Schedule:
    """Go on with a paused schedule from now. Times during the pause are not made up for, and not missed ones either.

    So a one-time schedule whose time went by is over. Repeating it changes nothing.
    """
    current = _lock(schedule)
    if current.is_paused:
        current.is_paused = False
        _set_due(current, timing.next_after(rules.rule_of(current), database_now()))
        _save(current, "resumed", events.SCHEDULE_RESUMED, actor)
    return current


@transaction.atomic
def delete(*, actor: User, schedule: Schedule) -> None:
    """Delete a schedule; it stays behind the history of its tasks, which go on, and its name becomes free.

    Raises NotFound when it is deleted already.
    """
    current = _lock(schedule)
    current.deleted_at = database_now()
    _set_due(current, None)
    _save(current, "deleted", events.SCHEDULE_DELETED, actor)


@transaction.atomic
def run(*, actor: User, schedule: Schedule) -> Task:
    """Bring in one task now, outside the timing, also of a paused schedule; the overlap policy holds.

    Raises ScheduleBusy when a task of it is unfinished and the policy is skip, what `lifecycle.submit` raises, and
    NotFound.
    """
    current = _lock(schedule)
    now = database_now()
    task = fires.submit(actor=actor, schedule=current, due_at=now)
    fires.note_fired(current, task=task, due_at=now, now=now, actor=actor, is_manual=True)
    current.save(update_fields=["last_fired_at", "updated_at"])
    trail.note_on_others("run", current, actor, task=str(task.uuid))
    _log("run", current, actor)
    return task


def upcoming(schedule: Schedule, count: int = 5, *, now: datetime | None = None) -> list[datetime]:
    """When it is due next, in UTC, at most `MOST_SHOWN` times; none while it is paused or when it is over.

    Whoever asks for many tells `now`, the database's time, instead of having each look it up.
    """
    if schedule.next_due_at is None:
        return []
    # Counted from the next one: until that has come, whoever asks again asks for the same.
    after = max(now or database_now(), schedule.next_due_at - _INSTANT)
    return list(_remembered_times(rules.rule_of(schedule), after, count))


def preview(*, timing: str, count: int = 5, **fields: Unpack[TimingFields]) -> list[datetime]:
    """When a schedule with this timing would be due, in UTC. Raises InvalidInput as `create`."""
    schedule = Schedule(timing=timing, **_nameless(fields))
    now = database_now()
    rules.check_timing(schedule, now)
    rules.first_due_after(schedule, now)
    return _times(rules.rule_of(schedule), now, count)


@lru_cache(maxsize=REMEMBERED)
def _remembered_times(rule: timing.Rule, after: datetime, count: int) -> tuple[datetime, ...]:
    # A day that comes every 28 years is found slowly, and a list shows a hundred schedules.
    return tuple(_times(rule, after, count))


def _times(rule: timing.Rule, after: datetime, count: int) -> list[datetime]:
    return timing.between(rule, after, datetime.max.replace(tzinfo=UTC), min(count, MOST_SHOWN))


def _nameless(fields: Any) -> dict[str, Any]:
    """The fields as keyword arguments; `starts_at` is always among them, because empty means from now."""
    return {"starts_at": None, **fields}


def _for_kind(schedule: Schedule, changes: ScheduleChanges) -> dict[str, Any]:
    """The changes, and what they imply: another kind of timing begins anew."""
    kind = changes.get("timing", schedule.timing)
    if kind == schedule.timing:
        return {**changes}
    return {"cron": "", "every_seconds": None, "starts_at": None, **changes}


def _values(schedule: Schedule) -> dict[str, Any]:
    fields = [field for field in Schedule._meta.concrete_fields if field.name in _CHANGEABLE]
    return {field.name: field.value_from_object(schedule) for field in fields}


def _set_due(schedule: Schedule, due_at: datetime | None) -> None:
    schedule.next_due_at = due_at
    # What a gap had left to be made up for is over with it.
    schedule.make_up_until_at = None


def _save(schedule: Schedule, deed: str, kind: str, actor: User) -> None:
    schedule.save(update_fields=["is_paused", "next_due_at", "make_up_until_at", "deleted_at", "updated_at"])
    events.record_for_schedule(schedule, kind, actor=actor)
    trail.note(deed, schedule, actor)
    _log(deed, schedule, actor)


def _keep_references(schedule: Schedule) -> None:
    """Let nobody delete agent and queue until this transaction ends. Raises Conflict when somebody has."""
    if schedule.queue_id is not None and not locks.keep_queue(schedule.queue_id):
        raise _gone("queue")
    if not locks.keep_agents({schedule.agent_id}):
        raise _gone("agent")


def _lock(schedule: Schedule) -> Schedule:
    rows = Schedule.objects.existing().select_for_update(no_key=True, of=("self",))
    current = rows.select_related("agent", "queue").filter(pk=schedule.pk).first()
    if current is None:
        raise NotFound
    return current


def _name_taken() -> NameTaken:
    return NameTaken("You already have a schedule of this name.")


def _gone(noun: str) -> Conflict:
    return Conflict(f"The {noun} was deleted at this moment. Choose another {noun}.")


def _log(deed: str, schedule: Schedule, actor: User) -> None:
    _logger.info("schedule %s was %s by %s", schedule.uuid, deed, actor.uuid)
