"""Making, changing, pausing, running and deleting schedules."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any
from unittest.mock import Mock

import pytest

from accounts.models import User
from accounts.quotas import QuotaReached
from personalq.lib.constraints import NameTaken
from personalq.lib.errors import Conflict, InvalidInput, NotFound, NotYours
from tasks import access, agents, lifecycle, queues, schedules, timing
from tasks.agents import AgentInUse
from tasks.clock import database_now
from tasks.models import Agent, Queue, Schedule
from tasks.queues import QueueInUse
from tasks.schedules import ScheduleBusy
from tasks.spending.budgets import BudgetExhausted
from tasks.states import Status
from tests.makers import make_agent, make_operator, make_queue, make_user
from tests.tasks.scheduling import fires_of, fresh, make_due, make_schedule, tasks_of, told, use_up_budget

pytestmark = pytest.mark.django_db(transaction=True)
WEST, EAST = timezone(timedelta(hours=-12)), timezone(timedelta(hours=14))


@pytest.fixture
def agent(owner: User) -> Agent:
    return make_agent(owner)


def in_future(**spans: float) -> datetime:
    return database_now() + timedelta(**spans)


def refusal(**wanted: Any) -> tuple[str, str]:
    with pytest.raises(InvalidInput) as caught:
        make_schedule(**wanted)
    (error,) = caught.value.errors
    assert error.message
    return error.field, error.code


def test_cron_schedule_is_due_in_its_zone(owner: User, agent: Agent) -> None:
    schedule = make_schedule(owner, agent=agent, timing="cron", cron="0  9 * * mon", zone="Europe/Berlin")
    (first, *others) = schedules.upcoming(fresh(schedule), 3)
    assert first == fresh(schedule).next_due_at
    local = first.astimezone(timezone(timedelta(hours=1)))
    assert (local.weekday(), len(others)) == (0, 2)
    assert fresh(schedule).cron == "0 9 * * MON"
    assert told(schedule) == ["schedule_created"]


def test_times_are_calculated_once_however_often_they_are_shown(
    owner: User, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day that comes every 28 years takes long to find, and lists show many schedules."""
    schedule = fresh(make_schedule(owner, agent=agent, timing="cron", cron="0 0 */28 2 SUN#5"))
    between = Mock(wraps=timing.between)
    monkeypatch.setattr(timing, "between", between)
    shown = [schedules.upcoming(schedule, now=database_now() + timedelta(seconds=after)) for after in range(3)]
    assert shown == [shown[0]] * 3
    assert shown[0][0] == schedule.next_due_at
    assert [later.year - earlier.year for earlier, later in pairwise(shown[0])][:2] == [28, 28]
    assert between.call_count == 1


def test_times_that_have_gone_by_are_not_shown_as_coming(owner: User, agent: Agent) -> None:
    schedule = fresh(make_schedule(owner, agent=agent, every_seconds=60))
    assert schedule.next_due_at is not None
    later = schedule.next_due_at + timedelta(seconds=90)
    assert schedules.upcoming(schedule, 2, now=later) == [
        schedule.next_due_at + timedelta(seconds=60 * n) for n in (2, 3)
    ]


def test_interval_without_a_start_is_counted_from_now(owner: User, agent: Agent) -> None:
    before = database_now().replace(microsecond=0)
    schedule = make_schedule(owner, agent=agent, every_seconds=90)
    assert schedule.starts_at >= before
    assert fresh(schedule).next_due_at == schedule.starts_at + timedelta(seconds=90)


def test_interval_begins_with_its_start(owner: User, agent: Agent) -> None:
    start = in_future(days=2)
    assert make_schedule(owner, agent=agent, starts_at=start).next_due_at == start


def test_one_time_is_due_then(owner: User, agent: Agent) -> None:
    at = in_future(minutes=5)
    schedule = make_schedule(owner, agent=agent, timing="once", starts_at=at)
    assert schedules.upcoming(fresh(schedule)) == [at]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"timing": "cron"}, ("cron", "bad_cron")),
        ({"timing": "cron", "cron": "61 * * * *"}, ("cron", "bad_cron")),
        ({"timing": "cron", "cron": "0 0 30 2 *"}, ("cron", "bad_cron")),
        ({"timing": "cron", "cron": "0 9 * * *\n"}, ("cron", "bad_cron")),
        ({"timing": "cron", "cron": "0 9 * * *", "zone": "Mars/Olympus"}, ("zone", "unknown_zone")),
        ({"timing": "cron", "cron": "0 9 * * *", "zone": "../../etc/passwd"}, ("zone", "unknown_zone")),
        ({"timing": "cron", "cron": "0 9 * * *", "zone": ""}, ("zone", "blank")),
        ({"timing": "cron", "cron": "0 9 * * *", "every_seconds": 5}, ("every_seconds", "does_not_fit")),
        ({"timing": "interval", "cron": "0 9 * * *"}, ("cron", "does_not_fit")),
        ({"timing": "interval", "every_seconds": None}, ("every_seconds", "required")),
        ({"timing": "interval", "every_seconds": 0}, ("every_seconds", "min_value")),
        ({"timing": "interval", "every_seconds": 31_536_001}, ("every_seconds", "max_value")),
        ({"timing": "interval", "zone": "Nowhere"}, ("zone", "unknown_zone")),
        ({"timing": "once"}, ("starts_at", "required")),
        ({"timing": "once", "starts_at": datetime(2020, 1, 1, tzinfo=UTC)}, ("starts_at", "in_the_past")),
        ({"timing": "once", "starts_at": datetime(2020, 1, 1)}, ("starts_at", "invalid")),  # noqa: DTZ001
        ({"timing": "once", "starts_at": datetime(9999, 12, 31, tzinfo=UTC)}, ("starts_at", "out_of_range")),
        ({"starts_at": datetime(9999, 12, 31, 23, tzinfo=WEST)}, ("starts_at", "out_of_range")),
        ({"starts_at": datetime(1, 1, 1, tzinfo=EAST)}, ("starts_at", "out_of_range")),
        ({"timing": "daily"}, ("timing", "invalid_choice")),
        ({"overlap_policy": "maybe"}, ("overlap_policy", "invalid_choice")),
        ({"catch_up_policy": "maybe"}, ("catch_up_policy", "invalid_choice")),
        ({"catch_up_seconds": 0}, ("catch_up_seconds", "min_value")),
        ({"catch_up_seconds": 2_592_001}, ("catch_up_seconds", "max_value")),
        ({"name": "a/b"}, ("name", "invalid_name")),
        ({"name": "a\nb"}, ("name", "invalid_name")),
        ({"name": "all*"}, ("name", "invalid_name")),
        ({"name": "x" * 10_000}, ("name", "max_length")),
        ({"name": "0" * 8 + "-0000-0000-0000-" + "0" * 12}, ("name", "invalid_name")),
        ({"prompt": ""}, ("prompt", "blank")),
        ({"prompt": "x" * 200_001}, ("prompt", "max_length")),
        ({"prompt": "a\x00b"}, ("prompt", "invalid")),
        ({"title": "two\nlines"}, ("title", "invalid")),
        ({"title": "x" * 201}, ("title", "max_length")),
        ({"order": 2**31}, ("order", "max_value")),
        ({"input": {"a": float("nan")}}, ("input", "invalid")),
        ({"input": "x" * 70_000}, ("input", "too_large")),
    ],
)  # fmt: skip
def test_wrong_value_is_refused_by_its_field(wanted: dict[str, Any], expected: tuple[str, str], owner: User) -> None:
    assert refusal(owner=owner, **wanted) == expected
    assert not Schedule.objects.exists()


def test_agent_of_somebody_else_is_refused(owner: User) -> None:
    with pytest.raises(NotYours):
        make_schedule(owner, agent=make_agent(make_user()))


def test_queue_of_somebody_else_is_refused(owner: User, agent: Agent) -> None:
    with pytest.raises(NotYours):
        make_schedule(owner, agent=agent, queue=make_queue(make_user()))
    assert make_schedule(owner, agent=agent, queue=make_queue()).queue is not None


def test_name_is_unique_among_ones_own(owner: User, agent: Agent) -> None:
    first = make_schedule(owner, agent=agent, name="report")
    with pytest.raises(NameTaken):
        make_schedule(owner, agent=agent, name="report")
    schedules.delete(actor=owner, schedule=first)
    make_schedule(owner, agent=agent, name="report")
    make_schedule(make_user(), name="report")


def test_number_of_schedules_is_limited(owner: User, agent: Agent, settings: Any) -> None:
    settings.PERSONALQ_SCHEDULES_PER_USER = 1
    first = make_schedule(owner, agent=agent)
    with pytest.raises(QuotaReached, match="1 schedules"):
        make_schedule(owner, agent=agent)
    schedules.delete(actor=owner, schedule=first)
    make_schedule(owner, agent=agent)


OFTEN = [
    {"every_seconds": 1},
    {"every_seconds": 59},
    *({"timing": "cron", "cron": cron} for cron in ("* * * * * *", "*/30 0 9 * * *", "0,1 * * * * *", "1-2 * * * * *")),
]
SELDOM = [
    {"every_seconds": 60},
    *({"timing": "cron", "cron": cron} for cron in ("* * * * *", "*/5 * * * *", "0 * * * * *", "59 */2 * * * *")),
]


@pytest.mark.parametrize(("when", "expected"), [*((each, True) for each in OFTEN), *((each, False) for each in SELDOM)])
def test_frequent_is_what_comes_again_within_less_than_a_minute(when: Any, expected: bool, owner: User) -> None:  # noqa: FBT001
    schedule = make_schedule(owner, **when)
    # Not the first two alone: of those that come in bursts one burst may be about to end.
    times = schedules.upcoming(schedule, 3)
    assert schedule.is_frequent is expected
    assert Schedule.objects.frequent().exists() is expected
    assert any(later - earlier < timedelta(minutes=1) for earlier, later in pairwise(times)) is expected


def test_one_time_is_not_frequent(owner: User) -> None:
    assert not make_schedule(owner, timing="once", starts_at=in_future(minutes=5)).is_frequent
    assert not Schedule.objects.frequent().exists()


def test_number_of_frequent_schedules_is_limited(owner: User, agent: Agent, settings: Any) -> None:
    settings.PERSONALQ_FREQUENT_SCHEDULES_PER_USER = 1
    first = make_schedule(owner, agent=agent, every_seconds=1)
    schedules.pause(actor=owner, schedule=first)
    with pytest.raises(QuotaReached, match="at least 60 seconds between two times"):
        make_schedule(owner, agent=agent, timing="cron", cron="*/30 * * * * *")
    make_schedule(owner, agent=agent, every_seconds=60)
    make_schedule(make_user(), every_seconds=1)
    schedules.delete(actor=owner, schedule=first)
    make_schedule(owner, agent=agent, every_seconds=59)


def test_schedule_cannot_become_one_frequent_schedule_too_many(owner: User, agent: Agent, settings: Any) -> None:
    settings.PERSONALQ_FREQUENT_SCHEDULES_PER_USER = 1
    frequent = make_schedule(owner, agent=agent, every_seconds=1)
    other = make_schedule(owner, agent=agent, every_seconds=60)
    # It is the owner's limit, whoever makes the change.
    with pytest.raises(QuotaReached):
        schedules.change(actor=make_operator(), schedule=other, every_seconds=59)
    assert fresh(other).every_seconds == 60
    schedules.change(actor=owner, schedule=other, prompt="other words")
    schedules.change(actor=owner, schedule=frequent, every_seconds=2)


def test_deleted_agent_gets_no_schedule(owner: User, agent: Agent) -> None:
    agents.delete(actor=owner, agent=agent)
    with pytest.raises(Conflict, match="agent was deleted"):
        make_schedule(owner, agent=agent)


def test_deleted_queue_gets_no_schedule(owner: User, agent: Agent) -> None:
    queue = make_queue(owner)
    gone = Queue.objects.get(pk=queue.pk)
    queues.delete(actor=owner, queue=queue)
    with pytest.raises(Conflict, match="queue was deleted"):
        make_schedule(owner, agent=agent, queue=gone)


def test_agent_that_a_schedule_uses_cannot_be_deleted(owner: User, agent: Agent) -> None:
    schedule = make_schedule(owner, agent=agent, name="report")
    schedules.pause(actor=owner, schedule=schedule)
    with pytest.raises(AgentInUse, match=r"Schedules use it: report\. Give them another agent"):
        agents.delete(actor=owner, agent=agent)
    schedules.delete(actor=owner, schedule=schedule)
    agents.delete(actor=owner, agent=agent)


def test_queue_that_a_schedule_uses_cannot_be_deleted(owner: User, agent: Agent) -> None:
    queue = make_queue(owner)
    schedule = make_schedule(owner, agent=agent, queue=queue)
    with pytest.raises(QueueInUse, match="Schedules that use it: 1"):
        queues.delete(actor=owner, queue=queue)
    schedules.delete(actor=owner, schedule=schedule)
    queues.delete(actor=owner, queue=queue)
    assert fresh(schedule).queue is None


def test_changed_prompt_leaves_the_timing_alone(owner: User) -> None:
    schedule = make_schedule(owner)
    changed = schedules.change(actor=owner, schedule=schedule, prompt="another", title="new")
    assert (changed.prompt, changed.next_due_at) == ("another", schedule.next_due_at)
    event = schedule.events.get(kind="schedule_changed")
    assert event.data["changed"] == ["prompt", "title"]


def test_changed_timing_counts_from_now(owner: User) -> None:
    schedule = make_schedule(owner)
    make_due(schedule, ago=timedelta(hours=1))
    changed = schedules.change(actor=owner, schedule=schedule, every_seconds=60)
    assert changed.next_due_at is not None
    assert database_now() < changed.next_due_at <= in_future(seconds=60)


def test_another_kind_of_timing_drops_the_former_one(owner: User) -> None:
    schedule = make_schedule(owner, every_seconds=60)
    changed = schedules.change(actor=owner, schedule=schedule, timing="cron", cron="0 9 * * *")
    assert (changed.every_seconds, changed.cron) == (None, "0 9 * * *")
    at = in_future(days=1)
    changed = schedules.change(actor=owner, schedule=schedule, timing="once", starts_at=at)
    assert (changed.cron, changed.next_due_at) == ("", at)
    with pytest.raises(InvalidInput):
        schedules.change(actor=owner, schedule=schedule, timing="interval")


def test_changing_nothing_is_told_to_nobody(owner: User) -> None:
    schedule = make_schedule(owner, title="same")
    schedules.change(actor=owner, schedule=schedule, title="same", every_seconds=600)
    assert told(schedule) == ["schedule_created"]


def test_one_time_cannot_be_moved_into_the_past(owner: User) -> None:
    schedule = make_schedule(owner, timing="once", starts_at=in_future(hours=1))
    with pytest.raises(InvalidInput) as caught:
        schedules.change(actor=owner, schedule=schedule, starts_at=database_now() - timedelta(seconds=1))
    assert caught.value.errors[0].code == "in_the_past"
    assert fresh(schedule).next_due_at == schedule.next_due_at


def test_schedule_cannot_be_given_an_agent_of_somebody_else(owner: User) -> None:
    schedule = make_schedule(owner)
    with pytest.raises(NotYours):
        schedules.change(actor=make_operator(), schedule=schedule, agent=make_agent(make_user()))


def test_changed_name_must_be_free(owner: User) -> None:
    make_schedule(owner, name="taken")
    with pytest.raises(NameTaken):
        schedules.change(actor=owner, schedule=make_schedule(owner), name="taken")


def test_pausing_twice_changes_nothing_more(owner: User) -> None:
    schedule = make_schedule(owner)
    for _ in range(2):
        paused = schedules.pause(actor=owner, schedule=schedule)
    assert (paused.is_paused, paused.next_due_at) == (True, None)
    assert schedules.upcoming(paused) == []
    for _ in range(2):
        resumed = schedules.resume(actor=owner, schedule=schedule)
    assert resumed.next_due_at is not None
    assert told(schedule) == ["schedule_created", "schedule_paused", "schedule_resumed"]


def test_timing_changed_during_a_pause_holds_after_it(owner: User) -> None:
    schedule = make_schedule(owner)
    schedules.pause(actor=owner, schedule=schedule)
    assert schedules.change(actor=owner, schedule=schedule, every_seconds=60).next_due_at is None
    resumed = schedules.resume(actor=owner, schedule=schedule)
    assert resumed.next_due_at is not None
    assert resumed.next_due_at <= in_future(seconds=60)


def test_one_time_that_went_by_during_a_pause_is_over(owner: User) -> None:
    schedule = make_schedule(owner, timing="once", starts_at=in_future(hours=1))
    schedules.pause(actor=owner, schedule=schedule)
    Schedule.objects.update(starts_at=database_now() - timedelta(seconds=1))
    assert schedules.resume(actor=owner, schedule=schedule).next_due_at is None


def test_deleted_schedule_is_gone_and_its_tasks_go_on(owner: User) -> None:
    schedule = make_schedule(owner)
    task = schedules.run(actor=owner, schedule=schedule)
    schedules.delete(actor=owner, schedule=schedule)
    with pytest.raises(NotFound):
        schedules.delete(actor=owner, schedule=schedule)
    with pytest.raises(NotFound):
        access.schedule_for(owner, schedule.uuid)
    task.refresh_from_db()
    assert (task.state, task.schedule_id) == (Status.READY, schedule.pk)


@pytest.mark.parametrize("verb", ["pause", "resume", "run", "change"])
def test_deleted_schedule_can_do_nothing_more(verb: str, owner: User) -> None:
    schedule = make_schedule(owner)
    schedules.delete(actor=owner, schedule=schedule)
    with pytest.raises(NotFound):
        getattr(schedules, verb)(actor=owner, schedule=schedule)


def test_run_brings_one_task_in_outside_the_timing(owner: User, agent: Agent) -> None:
    queue = make_queue(owner)
    schedule = make_schedule(owner, agent=agent, queue=queue, prompt="report", title="daily", order=-3, input={"a": 1})
    task = schedules.run(actor=owner, schedule=schedule)
    assert (task.prompt, task.title, task.order, task.input, task.queue) == ("report", "daily", -3, {"a": 1}, queue)
    assert (task.source, task.schedule, task.owner, task.trusted) == ("schedule", schedule, owner, True)
    (fire,) = fires_of(schedule)
    assert (fire.is_manual, fire.outcome, fire.task) == (True, "fired", task)
    assert fresh(schedule).next_due_at == schedule.next_due_at
    event = schedule.events.get(kind="schedule_fired")
    assert (event.data["task"], event.data["by"]) == (str(task.uuid), owner.get_username())


def test_created_event_names_the_schedule(owner: User) -> None:
    schedule = make_schedule(owner)
    task = schedules.run(actor=owner, schedule=schedule)
    data = task.events.get(kind="task_created").data
    assert data["schedule"] == str(schedule.uuid)
    assert data["due_at"].endswith("Z")


def test_busy_schedule_that_skips_is_not_run_and_says_what_to_do(owner: User) -> None:
    schedule = make_schedule(owner)
    task = schedules.run(actor=owner, schedule=schedule)
    with pytest.raises(ScheduleBusy) as caught:
        schedules.run(actor=owner, schedule=schedule)
    assert (caught.value.status, caught.value.code) == (409, "schedule_busy")
    assert "cancel it" in caught.value.detail
    lifecycle.cancel(actor=owner, task=task)
    schedules.run(actor=owner, schedule=schedule)
    assert len(fires_of(schedule)) == 2


@pytest.mark.parametrize(("policy", "expected"), [("queue", 0), ("allow", 0), ("cancel_older", 6)])
def test_run_obeys_the_overlap_policy(policy: str, expected: int, owner: User) -> None:
    schedule = make_schedule(owner, overlap_policy=policy)
    for _ in range(2):
        schedules.run(actor=owner, schedule=schedule)
    assert [task.status for task in tasks_of(schedule)] == [expected, 0]


def test_paused_schedule_can_be_run(owner: User) -> None:
    schedule = make_schedule(owner)
    schedules.pause(actor=owner, schedule=schedule)
    assert schedules.run(actor=owner, schedule=schedule).state == Status.READY


def test_refused_run_leaves_nothing(owner: User, agent: Agent) -> None:
    use_up_budget(agent)
    schedule = make_schedule(owner, agent=agent)
    with pytest.raises(BudgetExhausted):
        schedules.run(actor=owner, schedule=schedule)
    assert (fires_of(schedule), tasks_of(schedule)) == ([], [])


def test_preview_shows_the_next_times_and_keeps_nothing() -> None:
    times = schedules.preview(timing="cron", cron="30 2 * * *", zone="Europe/Berlin", count=3)
    assert len(times) == 3
    assert all(time.tzinfo is UTC and time > database_now() for time in times)
    assert not Schedule.objects.exists()


def test_preview_refuses_what_create_refuses() -> None:
    with pytest.raises(InvalidInput) as caught:
        schedules.preview(timing="once", starts_at=datetime(2020, 1, 1, tzinfo=UTC))
    assert caught.value.errors[0].code == "in_the_past"


def test_preview_is_bounded() -> None:
    assert len(schedules.preview(timing="interval", every_seconds=1, count=10_000)) == schedules.MOST_SHOWN


def test_schedules_are_found_by_their_owner_and_operators_only(owner: User) -> None:
    schedule = make_schedule(owner, name="report")
    assert access.schedule_named(owner, "report") == schedule
    assert access.schedule_named(owner, str(schedule.uuid)) == schedule
    assert access.schedule_for(make_operator(), schedule.uuid, "change") == schedule
    assert list(access.schedules_of(owner)) == [schedule]
    stranger = make_user()
    with pytest.raises(NotYours):
        access.schedule_for(stranger, schedule.uuid)
    with pytest.raises(NotYours):
        access.schedule_named(make_operator(), str(schedule.uuid))
    with pytest.raises(NotFound):
        access.schedule_named(stranger, "report")
