"""Firing: each due time once, what happens after a gap, and what goes wrong."""

import logging
import time
from datetime import UTC, datetime, timedelta
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction

from accounts.models import User
from tasks import jobs, lifecycle, schedules, timing
from tasks.clock import database_now
from tasks.locks import KeyBusy
from tasks.models import Agent, Schedule, ScheduleFire
from tasks.schedules import fires, firing
from tasks.schedules.firing import fire_due
from tasks.states import Status
from tasks.sweep import sweep
from tests.makers import make_agent, make_task, make_user
from tests.tasks.scheduling import (
    fires_of,
    fresh,
    let_pass,
    make_due,
    make_schedule,
    outcomes,
    tasks_of,
    told,
    use_up_budget,
)

pytestmark = pytest.mark.django_db(transaction=True)
HOUR = timedelta(hours=1)
FIVE_MINUTES = timedelta(minutes=5)


@pytest.fixture(autouse=True)
def time_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow machine ends no look early."""
    monkeypatch.setattr(firing, "PASS_SECONDS", 600.0)


def end_tasks(schedule: Schedule) -> None:
    for task in tasks_of(schedule):
        lifecycle.cancel(actor=None, task=task)


def test_nothing_fires_before_it_is_due(owner: User) -> None:
    schedule = make_schedule(owner)
    fire_due()
    assert (tasks_of(schedule), fires_of(schedule)) == ([], [])


def test_due_schedule_fires_once_and_goes_on(owner: User) -> None:
    schedule = make_schedule(owner, prompt="report")
    due_at = make_due(schedule)
    for _ in range(3):
        fire_due()
    (task,) = tasks_of(schedule)
    (fire,) = fires_of(schedule)
    current = fresh(schedule)
    assert (task.prompt, task.source, task.owner) == ("report", "schedule", owner)
    assert (fire.outcome, fire.task, fire.due_at, fire.is_manual) == ("fired", task, due_at, False)
    assert 0 <= fire.drift_seconds < 60
    assert (current.last_due_at, current.next_due_at) == (due_at, due_at + timedelta(minutes=10))
    assert (current.warning, current.make_up_until_at) == ("", None)
    assert told(schedule) == ["schedule_created", "schedule_fired"]


def test_nobody_asked_for_a_task_that_the_clock_brings(owner: User) -> None:
    schedule = make_schedule(owner)
    due_at = make_due(schedule)
    fire_due()
    data = tasks_of(schedule)[0].events.get(kind="task_created").data
    assert "by" not in data
    assert data["schedule"] == str(schedule.uuid)
    assert datetime.fromisoformat(data["due_at"]) == due_at


def test_cron_schedule_fires_on_the_minute(owner: User) -> None:
    schedule = make_schedule(owner, timing="cron", cron="* * * * *", catch_up_policy="all", overlap_policy="allow")
    this_minute = database_now().replace(second=0, microsecond=0)
    Schedule.objects.update(next_due_at=this_minute, starts_at=this_minute - HOUR)
    fire_due()
    found = fires_of(schedule)
    assert (found[0].outcome, found[0].due_at) == ("fired", this_minute)
    assert fresh(schedule).next_due_at == found[-1].due_at + timedelta(minutes=1)


def test_lateness_does_not_move_the_later_times(owner: User) -> None:
    schedule = make_schedule(owner)
    due_at = make_due(schedule, ago=timedelta(seconds=40))
    fire_due()
    assert fresh(schedule).next_due_at == due_at + timedelta(minutes=10)


def test_one_time_schedule_is_over_after_its_time(owner: User) -> None:
    schedule = make_schedule(owner, timing="once", starts_at=database_now() + HOUR)
    make_due(schedule)
    fire_due()
    fire_due()
    assert outcomes(schedule) == ["fired"]
    assert fresh(schedule).next_due_at is None


@pytest.mark.parametrize("state", ["paused", "deleted"])
def test_paused_and_deleted_schedules_do_not_fire(state: str, owner: User) -> None:
    schedule = make_schedule(owner)
    make_due(schedule)
    overdue = fresh(schedule).next_due_at
    (schedules.pause if state == "paused" else schedules.delete)(actor=owner, schedule=schedule)
    Schedule.objects.update(next_due_at=overdue)
    fire_due()
    assert tasks_of(schedule) == []


def test_times_during_a_pause_are_not_missed(owner: User) -> None:
    schedule = make_schedule(owner, catch_up_policy="all")
    schedules.pause(actor=owner, schedule=schedule)
    let_pass(schedule, hours=5)
    schedules.resume(actor=owner, schedule=schedule)
    fire_due()
    assert (fires_of(schedule), fresh(schedule).warning) == ([], "")


def test_schedule_of_a_user_who_may_not_sign_in_waits(owner: User) -> None:
    schedule = make_schedule(owner)
    make_due(schedule, ago=HOUR)
    User.objects.update(is_active=False)
    fire_due()
    assert fires_of(schedule) == []
    User.objects.update(is_active=True)
    fire_due()
    assert outcomes(schedule) == ["missed", "fired"]


# A beat that was down for an hour.


def test_none_makes_up_for_nothing(owner: User) -> None:
    schedule = make_schedule(owner, catch_up_policy="none")
    due_at = make_due(schedule, ago=HOUR + FIVE_MINUTES)
    fire_due()
    (fire,) = fires_of(schedule)
    assert (fire.outcome, fire.due_at, fire.until_at, fire.count) == ("missed", due_at, due_at + HOUR, 7)
    assert tasks_of(schedule) == []
    current = fresh(schedule)
    assert (current.warning, current.next_due_at) == ("missed", due_at + HOUR + timedelta(minutes=10))
    event = schedule.events.get(kind="schedule_missed")
    assert event.data["count"] == 7
    assert datetime.fromisoformat(event.data["until_at"]) == due_at + HOUR


def test_last_makes_up_for_the_newest_which_is_late(owner: User) -> None:
    schedule = make_schedule(owner, catch_up_policy="last")
    due_at = make_due(schedule, ago=HOUR + FIVE_MINUTES)
    fire_due()
    missed, fired = fires_of(schedule)
    assert (missed.outcome, missed.count) == ("missed", 6)
    assert (fired.outcome, fired.due_at) == ("fired", due_at + HOUR)
    assert 300 <= fired.drift_seconds < 360
    assert told(schedule)[1:] == ["schedule_missed", "schedule_fired", "schedule_late"]
    assert schedule.events.get(kind="schedule_late").data["seconds"] == pytest.approx(fired.drift_seconds, abs=0.01)
    assert fresh(schedule).warning == "late"


def test_all_makes_up_for_each_oldest_first(owner: User) -> None:
    schedule = make_schedule(owner, catch_up_policy="all", overlap_policy="queue")
    due_at = make_due(schedule, ago=HOUR + FIVE_MINUTES)
    fire_due()
    found = fires_of(schedule)
    assert [fire.outcome for fire in found] == ["fired"] * 7
    assert [fire.due_at for fire in found] == [due_at + timedelta(minutes=10 * number) for number in range(7)]
    assert len(tasks_of(schedule)) == 7
    assert fresh(schedule).next_due_at == due_at + timedelta(minutes=70)


def test_all_leaves_out_what_is_older_than_the_window(owner: User) -> None:
    schedule = make_schedule(owner, catch_up_policy="all", catch_up_seconds=2_100, overlap_policy="allow")
    due_at = make_due(schedule, ago=HOUR + FIVE_MINUTES)
    fire_due()
    missed, *fired = fires_of(schedule)
    assert (missed.due_at, missed.until_at, missed.count) == (due_at, due_at + timedelta(minutes=30), 4)
    assert len(fired) == 3


def test_newest_on_time_always_fires(owner: User) -> None:
    schedule = make_schedule(owner, catch_up_policy="none")
    due_at = make_due(schedule, ago=HOUR)
    fire_due()
    missed, fired = fires_of(schedule)
    assert (missed.count, fired.outcome, fired.due_at) == (6, "fired", due_at + HOUR)
    # The badge stays: the time that fired along with the warning proves nothing.
    assert fresh(schedule).warning == "missed"


def test_what_is_made_up_for_is_decided_once(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = make_schedule(owner, catch_up_policy="all", catch_up_seconds=2_100, overlap_policy="allow")
    make_due(schedule, ago=HOUR + FIVE_MINUTES)
    monkeypatch.setattr(firing, "TURNS", 2)
    fire_due()
    assert outcomes(schedule) == ["missed", "fired"]
    # Meanwhile more of them leave the window.
    Schedule.objects.update(catch_up_seconds=1)
    for _ in range(3):
        fire_due()
    assert outcomes(schedule) == ["missed", "fired", "fired", "fired"]


def test_one_look_makes_up_for_a_bounded_number(owner: User) -> None:
    schedule = make_schedule(owner, catch_up_policy="all", overlap_policy="allow", every_seconds=1)
    make_due(schedule, ago=timedelta(seconds=150))
    fire_due()
    assert len(tasks_of(schedule)) == firing.TURNS
    fire_due()
    assert len(tasks_of(schedule)) > 150


def test_look_ends_in_time(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = make_schedule(owner, catch_up_policy="all", overlap_policy="allow", every_seconds=1)
    make_due(schedule, ago=timedelta(seconds=900))
    ticks = count(step=0.5)
    monkeypatch.setattr(firing, "PASS_SECONDS", 2.0)
    monkeypatch.setattr(firing, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    fire_due()
    assert len(tasks_of(schedule)) == 3


def test_owners_and_schedules_take_turns(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    greedy = [make_schedule(owner, catch_up_policy="all", overlap_policy="allow", every_seconds=1) for _ in range(3)]
    for schedule in greedy:
        make_due(schedule, ago=timedelta(seconds=500))
    modest = make_schedule(make_user())
    make_due(modest)
    assert firing._in_turn()[1] == modest.pk
    monkeypatch.setattr(firing, "TURNS", 1)
    fire_due()
    assert [len(tasks_of(schedule)) for schedule in [*greedy, modest]] == [1, 1, 1, 1]


# Overlaps.


def test_skip_leaves_the_time_out_while_a_task_is_unfinished(owner: User) -> None:
    schedule = make_schedule(owner, overlap_policy="skip")
    make_due(schedule)
    fire_due()
    let_pass(schedule, minutes=10)
    fire_due()
    assert outcomes(schedule) == ["fired", "skipped"]
    assert fires_of(schedule)[1].code == "schedule_busy"
    assert told(schedule)[-1] == "schedule_skipped"
    end_tasks(schedule)
    let_pass(schedule, minutes=10)
    fire_due()
    assert outcomes(schedule) == ["fired", "skipped", "fired"]


@pytest.mark.parametrize(
    ("policy", "statuses", "claimed"),
    [
        ("queue", [Status.READY, Status.READY], 1),
        ("allow", [Status.READY, Status.READY], 2),
        ("cancel_older", [Status.CANCELLED, Status.READY], 1),
    ],
)
def test_overlap_policies(policy: str, statuses: list[Status], claimed: int, owner: User) -> None:
    agent = make_agent(owner, concurrency_limit=10)
    schedule = make_schedule(owner, agent=agent, overlap_policy=policy)
    make_due(schedule)
    fire_due()
    let_pass(schedule, minutes=10)
    fire_due()
    assert outcomes(schedule) == ["fired", "fired"]
    assert [task.state for task in tasks_of(schedule)] == statuses
    assert len(lifecycle.claim(queue_id=agent.queue_id, worker="w", limit=5).tasks) == claimed


def test_two_schedules_do_not_get_in_each_others_way(owner: User) -> None:
    agent = make_agent(owner)
    both = [make_schedule(owner, agent=agent) for _ in range(2)]
    for schedule in both:
        make_due(schedule)
    make_task(agent)
    fire_due()
    assert [outcomes(schedule) for schedule in both] == [["fired"], ["fired"]]


# What goes wrong.


def test_refused_task_is_told_and_the_schedule_goes_on(owner: User) -> None:
    agent = make_agent(owner)
    schedule = make_schedule(owner, agent=agent)
    budget = use_up_budget(agent)
    make_due(schedule)
    fire_due()
    (failed,) = fires_of(schedule)
    assert (failed.outcome, failed.code, failed.task) == ("failed", "budget_exhausted", None)
    assert told(schedule)[1:] == ["schedule_failed"]
    assert fresh(schedule).warning == "failed"
    budget.delete()
    let_pass(schedule, minutes=10)
    fire_due()
    assert outcomes(schedule) == ["failed", "fired"]


def test_warning_ends_with_the_next_time_that_goes_well(owner: User) -> None:
    schedule = make_schedule(owner, catch_up_policy="none", overlap_policy="allow")
    make_due(schedule, ago=HOUR)
    fire_due()
    assert fresh(schedule).warning == "missed"
    let_pass(schedule, minutes=10)
    fire_due()
    assert (fresh(schedule).warning, fresh(schedule).warned_at) == ("", None)


def test_deleted_agent_fails_the_time(owner: User) -> None:
    agent = make_agent(owner)
    schedule = make_schedule(owner, agent=agent)
    Agent.objects.filter(pk=agent.pk).update(deleted_at=database_now())
    make_due(schedule)
    fire_due()
    assert [(fire.outcome, fire.code) for fire in fires_of(schedule)] == [("failed", "conflict")]


def test_timing_that_cannot_be_read_is_never_due_again(owner: User) -> None:
    schedule = make_schedule(owner, timing="cron", cron="0 9 * * *")
    Schedule.objects.update(cron="nonsense", next_due_at=database_now())
    fire_due()
    assert [(fire.outcome, fire.code) for fire in fires_of(schedule)] == [("failed", "bad_cron")]
    assert (fresh(schedule).next_due_at, fresh(schedule).warning) == (None, "failed")


def test_one_schedule_that_cannot_be_dealt_with_does_not_stop_the_others(
    owner: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = make_schedule(owner, prompt="bad"), make_schedule(owner)
    make_due(bad, ago=timedelta(seconds=5))
    make_due(good)
    submit = fires.submit

    def stumble(**wanted: Any) -> Any:
        if wanted["schedule"].prompt == "bad":
            raise OperationalError("canceling statement due to lock timeout")
        return submit(**wanted)

    monkeypatch.setattr(fires, "submit", stumble)
    with caplog.at_level(logging.ERROR, logger="tasks.schedules.firing"):
        fire_due()
    assert (outcomes(bad), outcomes(good)) == ([], ["fired"])
    assert f"Schedule {bad.pk} could not be dealt with" in caplog.text
    monkeypatch.undo()
    fire_due()
    assert outcomes(bad) == ["fired"]


def test_key_that_somebody_holds_for_a_moment_makes_the_time_wait(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = make_schedule(owner)
    due_at = make_due(schedule)

    def wait_in_vain(**_: Any) -> None:
        raise KeyBusy

    monkeypatch.setattr(fires, "submit", wait_in_vain)
    fire_due()
    assert (fires_of(schedule), fresh(schedule).warning) == ([], "")
    monkeypatch.undo()
    fire_due()
    assert [(fire.outcome, fire.due_at) for fire in fires_of(schedule)] == [("fired", due_at)]


def test_crash_before_the_commit_neither_loses_nor_doubles_a_time(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = make_schedule(owner)
    due_at = make_due(schedule)
    note_fired = fires.note_fired

    def die(*args: Any, **facts: Any) -> None:
        note_fired(*args, **facts)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    monkeypatch.setattr(fires, "note_fired", die)
    fire_due()
    assert (tasks_of(schedule), fires_of(schedule)) == ([], [])
    monkeypatch.undo()
    fire_due()
    assert [fire.due_at for fire in fires_of(schedule)] == [due_at]
    assert len(tasks_of(schedule)) == 1


def test_time_that_comes_again_because_a_clock_was_set_back_does_not_fire_again(owner: User) -> None:
    schedule = make_schedule(owner, overlap_policy="allow")
    due_at = make_due(schedule)
    fire_due()
    Schedule.objects.update(next_due_at=due_at)
    fire_due()
    assert outcomes(schedule) == ["fired"]
    assert fresh(schedule).next_due_at == due_at + timedelta(minutes=10)


def test_database_lets_no_time_stand_in_the_records_twice(owner: User) -> None:
    schedule = make_schedule(owner)
    due_at = make_due(schedule)
    fire_due()
    with pytest.raises(IntegrityError, match="schedule_fires_once_for_each_time"), transaction.atomic():
        ScheduleFire.objects.create(schedule=schedule, due_at=due_at, outcome="fired")
    ScheduleFire.objects.create(schedule=schedule, due_at=due_at, outcome="fired", is_manual=True)


def test_only_the_last_records_are_kept(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fires, "KEPT", 3)
    schedule, other = make_schedule(owner, catch_up_policy="all", overlap_policy="allow"), make_schedule(owner)
    make_due(other)
    due_at = make_due(schedule, ago=HOUR)
    fire_due()
    assert [fire.due_at for fire in fires_of(schedule)] == [due_at + timedelta(minutes=n) for n in (40, 50, 60)]
    assert len(fires_of(other)) == 1


def test_pass_of_many_schedules_asks_for_each_by_itself(owner: User) -> None:
    agent = make_agent(owner)
    many = [make_schedule(owner, agent=agent) for _ in range(20)]
    for schedule in many:
        make_due(schedule)
    fire_due()
    assert ScheduleFire.objects.filter(outcome="fired").count() == 20


def test_sweep_fires_when_the_job_does_not_come(owner: User) -> None:
    schedule = make_schedule(owner)
    make_due(schedule)
    sweep()
    assert outcomes(schedule) == ["fired"]


def test_job_fires(owner: User) -> None:
    schedule = make_schedule(owner)
    make_due(schedule)
    jobs.fire_schedules()
    assert outcomes(schedule) == ["fired"]


def test_beat_asks_every_second_and_its_messages_cannot_pile_up(settings: Any) -> None:
    entry = settings.CELERY_BEAT_SCHEDULE["fire-schedules"]
    assert entry["task"] == jobs.fire_schedules.name
    assert (entry["schedule"], entry["options"]["expires"]) == (timedelta(seconds=1), 5)


def test_deciding_about_years_takes_no_time(owner: User) -> None:
    schedule = make_schedule(owner, timing="cron", cron="* * * * * *", zone="Europe/Berlin", catch_up_policy="all")
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    Schedule.objects.update(starts_at=long_ago, next_due_at=long_ago, overlap_policy="allow")
    before = time.process_time()
    firing._deal_with_next(schedule.pk)
    assert time.process_time() - before < 3
    (missed,) = fires_of(schedule)
    assert (missed.outcome, missed.count) == ("missed", 100_000)
    current = fresh(schedule)
    assert current.next_due_at is not None
    assert current.make_up_until_at is not None
    made_up = (current.make_up_until_at - current.next_due_at).total_seconds() + 1
    assert made_up == timing.MOST_MADE_UP
