from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from accounts.models import User
from tasks import lifecycle, queue_counts
from tasks.claims import Claim
from tasks.clock import database_now
from tasks.models import Queue, Task
from tasks.queue_counts import QueueCounts, counts_of
from tasks.states import Status
from tests.makers import claim_next, make_agent, make_operator, make_queue, make_task, make_user

pytestmark = pytest.mark.django_db


def fill(owner: User, queue: Queue, name: str = "scribe") -> None:
    """One complete, two failed (one is dead), one running, one waiting, two delayed, and what no figure counts."""
    agent = make_agent(owner, name=name, queue=queue, max_attempts=1)
    make_task(agent)
    lifecycle.complete(claim=Claim.of(claim_next(queue)), result="done")
    for code in ("provider_unavailable", "command_failed"):
        make_task(agent)
        lifecycle.fail(claim=Claim.of(claim_next(queue)), code=code, detail="")
    make_task(agent)
    claim_next(queue)
    lifecycle.cancel(actor=owner, task=make_task(agent))
    make_task(agent, is_backlogged=True)
    make_task(agent)
    for days in (1, 2):
        make_task(agent, not_before_at=database_now() + timedelta(days=days))


def what_is_in_it(**changes: Any) -> QueueCounts:
    counts: Any = {"waiting": 1, "active": 1, "completed": 1, "failed": 2, "delayed": 2, "agents": ["scribe"]}
    return QueueCounts(**{**counts, **changes})


def test_each_task_is_counted_by_what_became_of_it(owner: User) -> None:
    queue = make_queue(owner)
    fill(owner, queue)
    assert counts_of([queue], user=owner) == {queue.pk: what_is_in_it()}


def test_a_delayed_task_whose_time_has_come_waits(owner: User) -> None:
    queue = make_queue(owner)
    make_task(make_agent(owner, name="scribe", queue=queue), not_before_at=database_now() - timedelta(seconds=1))
    assert (counts_of([queue], user=owner)[queue.pk].waiting, counts_of([queue], user=owner)[queue.pk].delayed) == (
        1,
        0,
    )


def test_of_a_shared_queue_everybody_sees_their_own(owner: User) -> None:
    shared, stranger = make_queue(None), make_user()
    fill(owner, shared)
    fill(stranger, shared, "other")
    assert counts_of([shared], user=owner)[shared.pk] == what_is_in_it(is_whole=False)
    assert counts_of([shared], user=stranger)[shared.pk] == what_is_in_it(agents=["other"], is_whole=False)


def test_operators_see_everything_also_rows_without_owner(owner: User) -> None:
    shared, operator = make_queue(None), make_operator()
    fill(owner, shared)
    fill(make_user(), shared, "other")
    Task.objects.create(prompt="by SQL", source="sql", queue=shared, status=Status.READY)
    assert counts_of([shared], user=operator)[shared.pk] == QueueCounts(
        waiting=3, active=2, completed=2, failed=4, delayed=4, agents=["other", "scribe"]
    )


def test_several_queues_are_kept_apart_and_cost_two_queries(owner: User, django_assert_num_queries: Any) -> None:
    queues = [make_queue(owner) for _ in range(3)]
    for number, queue in enumerate(queues):
        for _ in range(number):
            make_task(make_agent(owner, queue=queue))
    with django_assert_num_queries(2):
        found = counts_of(queues, user=owner)
    assert [(found[queue.pk].waiting, len(found[queue.pk].agents)) for queue in queues] == [(0, 0), (1, 1), (2, 2)]


def test_no_queues_have_no_counts(owner: User) -> None:
    assert counts_of([], user=owner) == {}


@pytest.mark.parametrize("status", [Status.READY, Status.RUNNING, Status.COMPLETE, Status.FAILED])
def test_more_than_the_most_is_said_and_not_counted(owner: User, status: Status) -> None:
    queue = make_queue(owner)
    agent = make_agent(owner, queue=queue)
    for number in range(4):
        if number == 3:
            assert counts_of([queue], user=owner, most=3)[queue.pk].is_capped is False
        make_in(status, agent)
    counts = counts_of([queue], user=owner, most=3)[queue.pk]
    assert (counts.waiting + counts.active + counts.completed + counts.failed, counts.is_capped) == (3, True)


def test_delayed_tasks_are_capped_too(owner: User) -> None:
    queue = make_queue(owner)
    agent = make_agent(owner, queue=queue)
    for _ in range(4):
        make_task(agent, not_before_at=database_now() + timedelta(days=1))
    counts = counts_of([queue], user=owner, most=3)[queue.pk]
    assert (counts.delayed, counts.is_capped) == (3, True)


def test_of_more_owners_than_are_counted_it_is_said(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_counts, "MOST_OWNERS", 2)
    shared, operator = make_queue(None), make_operator()
    for number, each in enumerate((owner, make_user(), make_user()), start=1):
        make_task(make_agent(each, queue=shared))
        counts = counts_of([shared], user=operator)[shared.pk]
        assert (counts.waiting, counts.is_capped) == (number, number > 2)


def test_more_agents_than_are_named_are_said_to_be_there(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_counts, "MOST_AGENTS", 2)
    queue = make_queue(owner)
    for number, name in enumerate("abc", start=1):
        make_agent(owner, name=name, queue=queue)
        counts = counts_of([queue], user=owner)[queue.pk]
        assert (counts.agents, counts.is_capped) == (list("abc")[: min(number, 2)], number > 2)


def test_agents_of_one_name_are_named_once(owner: User) -> None:
    shared = make_queue(None)
    for each in (owner, make_user()):
        make_agent(each, name="scribe", queue=shared)
    assert counts_of([shared], user=make_operator())[shared.pk].agents == ["scribe"]


def make_in(status: Status, agent: Any) -> None:
    make_task(agent)
    if status == Status.READY:
        return
    claim = Claim.of(claim_next(agent.queue))
    if status == Status.COMPLETE:
        lifecycle.complete(claim=claim, result="done")
    elif status == Status.FAILED:
        lifecycle.fail(claim=claim, code="command_failed", detail="")


def test_no_table_is_walked(owner: User, django_assert_num_queries: Any) -> None:
    """Every row that is read is found by an index, also for operators."""
    queue = make_queue(owner)
    fill(owner, queue)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    for user in (owner, make_operator()):
        with django_assert_num_queries(2) as queries:
            counts_of([queue], user=user)
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {queries[1]['sql']}")
            plan = "\n".join(row[0] for row in cursor.fetchall())
        assert "Seq Scan on tasks" not in plan
        assert "queue_id = lanes" in plan
