"""What became of each attempt, as the history tells it."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from tasks import events, lifecycle
from tasks.attempt_history import MOST_ATTEMPTS, Attempt, Cancellation, attempts_of, cancellation_of
from tasks.claims import Claim
from tasks.models import Agent, Task, TaskEvent
from tasks.spending.usage import Usage
from tests.makers import claim_next, make_agent, make_running, make_task, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> User:
    return make_user("ada")


@pytest.fixture
def agent(owner: User) -> Agent:
    return make_agent(owner)


def history(task: Task) -> list[Attempt]:
    return attempts_of(Task.objects.get(pk=task.pk))


def change_by_sql(task: Task, status: int) -> None:
    Task.objects.filter(pk=task.pk).update(status=status)
    lifecycle.adopt(task_id=task.pk)


Ending = Callable[[Task, Claim], Any]
ENDINGS: dict[str, tuple[Ending, str, str | None]] = {
    "completed": (lambda _, claim: lifecycle.complete(claim=claim, result="r"), "complete", None),
    "failed": (lambda _, claim: lifecycle.fail(claim=claim, code="command_failed"), "failed", "command_failed"),
    "retried": (lambda _, claim: lifecycle.fail(claim=claim, code="went_silent"), "retried", "went_silent"),
    "held": (lambda _, claim: lifecycle.fail(claim=claim, code="usage_limited"), "held", "usage_limited"),
    "lost": (lambda _, claim: lifecycle.fail(claim=claim, code="lease_lost"), "lost", "lease_lost"),
    "given back": (lambda _, claim: lifecycle.give_back(claim=claim, reason="worker_stopped"), "returned", None),
    "stopped": (lambda task, _: lifecycle.interrupt(task_id=task.pk, reason="stop_switch"), "returned", None),
    "cancelled": (lambda task, _: lifecycle.cancel(actor=task.owner, task=task), "cancelled", None),
    "completed by sql": (lambda task, _: change_by_sql(task, 1), "complete", None),
    "archived by sql": (lambda task, _: change_by_sql(task, 2), "cancelled", None),
    "failed by sql": (lambda task, _: change_by_sql(task, 5), "failed", "reported_failed"),
    "cancelled by sql": (lambda task, _: change_by_sql(task, 6), "cancelled", None),
    "backlogged by sql": (lambda task, _: change_by_sql(task, 3), "returned", None),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_each_ending_has_its_outcome(ending: str, agent: Agent) -> None:
    end, outcome, code = ENDINGS[ending]
    task, claim = make_running(agent)
    end(task, claim)
    (attempt,) = history(task)
    assert (attempt.number, attempt.outcome, attempt.error_code) == (1, outcome, code)
    assert (attempt.error is None) == (code is None)
    assert attempt.ended_at is not None
    assert attempt.ended_at >= attempt.started_at


def test_attempt_under_way_has_no_end(agent: Agent) -> None:
    task, _ = make_running(agent)
    (attempt,) = history(task)
    assert (attempt.outcome, attempt.ended_at, attempt.worker) == ("running", None, "test")


def test_task_that_never_began_has_no_attempt(agent: Agent) -> None:
    assert history(make_task(agent)) == []


def test_last_attempt_of_a_vanished_worker_is_lost_also_when_the_task_fails_with_it(agent: Agent) -> None:
    task, claim = make_running(agent)
    Task.objects.filter(pk=task.pk).update(lost_attempts=5)
    lifecycle.fail(claim=claim, code="lease_lost")
    assert history(task)[0].outcome == "lost"


def test_what_happens_to_the_task_later_is_not_the_attempts(agent: Agent, owner: User) -> None:
    task, claim = make_running(agent)
    lifecycle.fail(claim=claim, code="command_failed")
    lifecycle.retry(actor=owner, task=task)
    lifecycle.cancel(actor=owner, task=task)
    change_by_sql(task, 1)
    assert [attempt.outcome for attempt in history(task)] == ["failed"]


def test_reason_of_a_cancel_is_never_taken_for_a_failure(agent: Agent, owner: User) -> None:
    task, _ = make_running(agent)
    lifecycle.cancel(actor=owner, task=task, reason="lease_lost")
    (attempt,) = history(task)
    assert (attempt.outcome, attempt.error_code) == ("cancelled", None)


def test_attempts_come_latest_first_with_their_own_output_and_usage(agent: Agent) -> None:
    task, first = make_running(agent)
    lifecycle.record_output(claim=first, text="äö", offset=0)
    lifecycle.record_output(claim=first, text="ü", offset=2)
    lifecycle.fail(claim=first, code="lease_lost", usage=Usage(tokens_in=5, cost=Decimal("0.0000001")))
    second = Claim.of(claim_next(agent.queue))
    lifecycle.complete(claim=second, result="r", usage=Usage(tokens_out=7))
    two, one = history(task)
    assert (one.number, one.output_length, one.tokens_in, one.tokens_out) == (1, 3, 5, None)
    assert (two.number, two.output_length, two.tokens_in, two.tokens_out) == (2, 0, None, 7)
    assert (one.cost, two.cost) == (Decimal("0.0000001"), None)


def test_many_attempts_cost_two_queries_and_only_the_latest_are_read(
    agent: Agent, django_assert_num_queries: Any
) -> None:
    task = make_task(agent)
    number = MOST_ATTEMPTS + 5
    for kind in (events.STARTED, events.RETRIED, events.CANCELLED):
        TaskEvent.objects.bulk_create(
            TaskEvent(task=task, attempt=attempt, kind=kind, data={}, at=timezone.now())
            for attempt in range(1, number + 1)
        )
    Task.objects.filter(pk=task.pk).update(attempts=number)
    task.refresh_from_db()
    with django_assert_num_queries(2):
        found = attempts_of(task)
    assert [attempt.number for attempt in found] == list(range(number, number - MOST_ATTEMPTS, -1))
    assert {attempt.outcome for attempt in found} == {"returned"}


def test_cancellation_names_who_when_and_why(agent: Agent, owner: User) -> None:
    task = lifecycle.cancel(actor=owner, task=make_task(agent), reason="enough")
    event = task.events.get(kind=events.CANCELLED)
    assert cancellation_of(task) == Cancellation(by="ada", at=event.at, reason="enough")


def test_cancellation_of_a_task_cancelled_twice_is_the_last_one(agent: Agent, owner: User) -> None:
    task = lifecycle.cancel(actor=owner, task=make_task(agent), reason="first")
    lifecycle.retry(actor=owner, task=task)
    task = lifecycle.cancel(actor=None, task=task)
    found = cancellation_of(task)
    assert found is not None
    assert (found.by, found.reason) == (None, None)


def test_cancellation_by_sql_has_no_name(agent: Agent, owner: User) -> None:
    task = lifecycle.cancel(actor=owner, task=make_task(agent), reason="first")
    lifecycle.retry(actor=owner, task=task)
    change_by_sql(task, 6)
    task.refresh_from_db()
    found = cancellation_of(task)
    assert found is not None
    assert (found.by, found.reason) == (None, None)
    assert found.at is not None


def test_cancellation_is_remembered_through_an_archive_by_sql(agent: Agent, owner: User) -> None:
    task = lifecycle.cancel(actor=owner, task=make_task(agent), reason="enough")
    change_by_sql(task, 2)
    task = lifecycle.restore(actor=owner, task=task)
    found = cancellation_of(task)
    assert found is not None
    assert (found.by, found.reason) == ("ada", "enough")


def test_cancellation_that_no_event_tells_of_yet_is_told_from_the_row(agent: Agent) -> None:
    task = make_task(agent)
    Task.objects.filter(pk=task.pk).update(status=6)
    task.refresh_from_db()
    assert cancellation_of(task) == Cancellation(by=None, at=task.finished_at, reason=None)


def test_task_that_is_not_cancelled_has_no_cancellation(agent: Agent, owner: User) -> None:
    task = lifecycle.cancel(actor=owner, task=make_task(agent))
    lifecycle.retry(actor=owner, task=task)
    task.refresh_from_db()
    assert cancellation_of(task) is None
