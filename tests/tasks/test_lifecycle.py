"""Each verb: what it needs, what it leaves behind, and what it refuses."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from personalq.lib.errors import IllegalTransition
from tasks import events, lifecycle, states
from tasks.claims import Claim, ClaimLost
from tasks.models import Agent, Task
from tasks.spending.usage import Usage
from tasks.states import Status
from tests.makers import (
    claim_next,
    claim_or_none,
    kinds,
    make_agent,
    make_queue,
    make_running,
    make_task,
)

pytestmark = pytest.mark.django_db

ASKED = ("cancel", "retry", "backlog", "release", "archive", "restore")


@pytest.fixture
def agent(owner: User) -> Agent:
    return make_agent(owner)


def task_in(status: Status, agent: Agent) -> Task:
    """A task that came to `status` by the verbs."""
    if status in {Status.READY, Status.BACKLOGGED}:
        return make_task(agent, is_backlogged=status == Status.BACKLOGGED)
    task, claim = make_running(agent)
    if status == Status.RUNNING:
        return task
    if status == Status.FAILED:
        return lifecycle.fail(claim=claim, code="command_failed", detail="exit 3")
    if status == Status.CANCELLED:
        return lifecycle.cancel(actor=agent.owner, task=task)
    task = lifecycle.complete(claim=claim, result="done")
    return lifecycle.archive(actor=agent.owner, task=task) if status == Status.ARCHIVED else task


def fresh(task: Task) -> Task:
    return Task.objects.get(pk=task.pk)


@pytest.mark.parametrize("verb", ASKED)
@pytest.mark.parametrize("status", list(Status))
def test_verb_is_allowed_or_refused_by_the_state_machine(verb: str, status: Status, agent: Agent, owner: User) -> None:
    task = task_in(status, agent)
    before = kinds(task)
    is_repeated_cancel = verb == "cancel" and status == Status.CANCELLED
    if states.may(verb, status):
        getattr(lifecycle, verb)(actor=owner, task=task)
        assert len(kinds(task)) == len(before) + 1
    elif is_repeated_cancel:
        assert lifecycle.cancel(actor=owner, task=task).state == Status.CANCELLED
        assert kinds(task) == before
    else:
        with pytest.raises(IllegalTransition):
            getattr(lifecycle, verb)(actor=owner, task=task)
        assert (fresh(task).state, kinds(task)) == (status, before)


def test_next_is_lowest_order_then_oldest(agent: Agent) -> None:
    later, first, second = (make_task(agent, order=order) for order in (5, -1, -1))
    assert [claim_next(agent.queue) for _ in range(3)] == [first, second, later]


def test_task_is_not_claimed_before_its_time(agent: Agent) -> None:
    make_task(agent, not_before_at=timezone.now() + timedelta(minutes=1))
    assert lifecycle.claim(queue_id=agent.queue_id, worker="w").tasks == []


def test_paused_queue_gives_nothing(agent: Agent) -> None:
    make_task(agent)
    agent.queue.is_paused = True
    agent.queue.save()
    assert lifecycle.claim(queue_id=agent.queue_id, worker="w").tasks == []


def test_claim_sets_attempt_lease_and_deadline(agent: Agent, settings: Any) -> None:
    task, claim = make_running(agent)
    assert claim == Claim(task.pk, 1)
    assert task.lease_expires_at is not None
    assert task.deadline_at is not None
    assert task.started_at is not None
    assert (task.lease_expires_at - task.started_at).total_seconds() == settings.PERSONALQ_LEASE_SECONDS
    assert (task.deadline_at - task.started_at).total_seconds() == agent.timeout_seconds


def test_late_worker_of_an_earlier_attempt_is_refused(agent: Agent) -> None:
    _task, old = make_running(agent)
    lifecycle.give_back(claim=old, reason="worker_stopped")
    task = claim_next(agent.queue)
    for write in (
        lambda: lifecycle.complete(claim=old, result="late"),
        lambda: lifecycle.fail(claim=old, code="command_failed"),
        lambda: lifecycle.record_output(claim=old, text="late", offset=0),
        lambda: lifecycle.give_back(claim=old, reason="worker_stopped"),
    ):
        with pytest.raises(ClaimLost):
            write()
    assert fresh(task).state == Status.RUNNING
    assert lifecycle.heartbeat([old]) == set()
    assert lifecycle.still_held([old]) == set()


def test_output_that_is_written_again_stands_there_once(agent: Agent) -> None:
    task, claim = make_running(agent)
    for text, offset in (("one ", 0), ("one ", 0), ("one two", 0), ("two", 4), ("one ", 0), ("two three", 4)):
        lifecycle.record_output(claim=claim, text=text, offset=offset)
    output = task.events.filter(kind=events.OUTPUT).order_by("id").values_list("data__text", "data__offset")
    assert list(output) == [("one ", 0), ("two", 4), (" three", 7)]


def test_each_attempt_writes_its_output_anew(agent: Agent) -> None:
    task, claim = make_running(agent)
    lifecycle.record_output(claim=claim, text="one", offset=0)
    lifecycle.give_back(claim=claim, reason="worker_stopped")
    lifecycle.record_output(claim=Claim.of(claim_next(agent.queue)), text="one", offset=0)
    assert kinds(task).count(events.OUTPUT) == 2


def test_heartbeat_renews_only_what_is_held(agent: Agent, owner: User) -> None:
    running, claim = make_running(agent)
    stopped, stopped_claim = make_running(agent)
    lifecycle.cancel(actor=owner, task=stopped)
    Task.objects.filter(pk=running.pk).update(lease_expires_at=timezone.now())
    assert lifecycle.heartbeat([claim, stopped_claim]) == {claim}
    lease = fresh(running).lease_expires_at
    assert lease is not None
    assert lease > timezone.now() + timedelta(seconds=20)


def test_live_lease_is_left_alone(agent: Agent) -> None:
    task, _claim = make_running(agent)
    assert lifecycle.recover_lost(task_id=task.pk) is None
    assert fresh(task).state == Status.RUNNING


def test_retry_gives_a_fresh_set_of_attempts(agent: Agent, owner: User) -> None:
    task = lifecycle.retry(actor=owner, task=task_in(Status.FAILED, agent))
    assert (task.state, task.attempts, task.is_exhausted) == (Status.READY, 1, False)
    assert task.finished_at is None
    assert claim_next(agent.queue).attempts == 2


def test_retried_task_tells_of_no_error(agent: Agent, owner: User) -> None:
    task = lifecycle.retry(actor=owner, task=task_in(Status.FAILED, agent))
    assert (task.error_code, task.error_detail) == ("", "")


def test_retried_task_still_waits_for_its_time(agent: Agent, owner: User) -> None:
    later = timezone.now() + timedelta(days=1)
    task = lifecycle.cancel(actor=owner, task=make_task(agent, not_before_at=later))
    assert lifecycle.retry(actor=owner, task=task).not_before_at == later


def test_given_back_attempt_does_not_count(owner: User) -> None:
    agent = make_agent(owner, max_attempts=1)
    _task, claim = make_running(agent)
    task = lifecycle.give_back(claim=claim, reason="worker_stopped")
    assert (task.state, task.not_before_at, task.is_exhausted) == (Status.READY, None, False)


def test_permanent_failure_is_not_repeated(agent: Agent) -> None:
    task = task_in(Status.FAILED, agent)
    assert (task.state, task.error_code) == (Status.FAILED, "command_failed")


def test_unknown_failure_code_becomes_internal_error(agent: Agent) -> None:
    _task, claim = make_running(agent)
    assert lifecycle.fail(claim=claim, code="made up").error_code == "internal_error"


def test_detail_of_a_failure_is_redacted_and_never_in_the_event(agent: Agent) -> None:
    task, claim = make_running(agent)
    secret = "sk-" + "a1B2c3D4" * 5
    lifecycle.fail(claim=claim, code="command_failed", detail=f"key {secret} refused")
    assert secret not in fresh(task).error_detail
    assert "refused" in fresh(task).error_detail
    assert "refused" not in str(list(task.events.values_list("data", flat=True)))


def test_usage_is_kept(agent: Agent) -> None:
    _task, claim = make_running(agent)
    task = lifecycle.complete(claim=claim, result="x", usage=Usage(tokens_in=3, tokens_out=4))
    assert (task.tokens_in, task.tokens_out, task.result) == (3, 4, "x")


@pytest.mark.parametrize("status", [Status.COMPLETE, Status.FAILED, Status.CANCELLED])
def test_restored_task_has_its_last_status(status: Status, agent: Agent, owner: User) -> None:
    task = lifecycle.archive(actor=owner, task=task_in(status, agent))
    assert lifecycle.restore(actor=owner, task=task).state == status


def test_moved_task_waits_in_the_other_queue(agent: Agent, owner: User) -> None:
    task, other = make_task(agent), make_queue(owner)
    lifecycle.move(actor=owner, task=task, queue=other)
    assert claim_or_none(agent.queue) is None
    assert claim_next(other) == task
    moved = task.events.get(kind=events.MOVED)
    assert moved.data == {"queue": other.name, "before": agent.queue.name, "by": owner.username}


def test_move_to_where_it_is_leaves_no_event(agent: Agent, owner: User) -> None:
    task = make_task(agent)
    lifecycle.move(actor=owner, task=task, queue=agent.queue)
    assert kinds(task) == [events.CREATED]


def test_running_task_cannot_be_moved(agent: Agent, owner: User) -> None:
    task, _claim = make_running(agent)
    with pytest.raises(IllegalTransition):
        lifecycle.move(actor=owner, task=task, queue=make_queue(owner))


def test_many_come_in_at_once_in_the_order_given(agent: Agent, owner: User) -> None:
    wanted = [lifecycle.Submission(agent=agent, prompt=f"number {number}", order=-number) for number in range(5)]
    tasks = lifecycle.submit_many(actor=owner, submissions=wanted)
    assert [task.prompt for task in tasks] == [one.prompt for one in wanted]
    assert [task.pk for task in tasks] == sorted(task.pk for task in tasks)
    assert {tuple(kinds(task)) for task in tasks} == {(events.CREATED,)}
    assert all(Task.objects.get(uuid=task.uuid).prompt == task.prompt for task in tasks)


def test_edit_tells_which_fields_changed(agent: Agent, owner: User) -> None:
    task = make_task(agent, title="old")
    edited = lifecycle.edit(actor=owner, task=task, title="new", order=0)
    assert edited.title == "new"
    last = task.events.order_by("-id")[0]
    assert (last.kind, last.data["changed"]) == (events.EDITED, ["title"])


def test_edit_that_changes_nothing_leaves_no_event(agent: Agent, owner: User) -> None:
    task = make_task(agent, title="same")
    lifecycle.edit(actor=owner, task=task, title="same")
    assert kinds(task) == [events.CREATED]


def test_running_task_cannot_be_edited(agent: Agent, owner: User) -> None:
    task, _claim = make_running(agent)
    with pytest.raises(IllegalTransition):
        lifecycle.edit(actor=owner, task=task, prompt="other")


def test_events_name_who_did_it_and_which_attempt(agent: Agent, owner: User) -> None:
    task, _claim = make_running(agent)
    lifecycle.cancel(actor=owner, task=task, reason="wrong prompt")
    last = task.events.order_by("-id")[0]
    assert (last.attempt, last.data) == (1, {"by": owner.username, "reason": "wrong prompt"})


def test_event_numbers_rise(agent: Agent) -> None:
    task, _claim = make_running(agent)
    numbers = list(task.events.values_list("id", flat=True))
    assert numbers == sorted(set(numbers))


def test_database_refuses_a_running_row_without_lease(agent: Agent) -> None:
    task = make_task(agent)
    with pytest.raises(IntegrityError, match="task_lease_exactly_while_running"), transaction.atomic():
        Task.objects.filter(pk=task.pk).update(status=Status.RUNNING)


def test_database_refuses_a_task_without_owner_from_a_door(agent: Agent) -> None:
    task = make_task(agent)
    with pytest.raises(IntegrityError, match="task_has_owner_unless_by_sql"), transaction.atomic():
        Task.objects.filter(pk=task.pk).update(owner=None)
