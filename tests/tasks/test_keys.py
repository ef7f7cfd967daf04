"""Concurrency keys: one runs at a time, and what a newcomer does about the others."""

import pytest
from django.db import IntegrityError, transaction

from accounts.models import User
from personalq.lib.errors import InvalidInput
from tasks import events, lifecycle
from tasks.claims import Claim
from tasks.lifecycle import ConcurrencyKeyTaken, Submission, keys
from tasks.models import Agent, ConcurrencyPolicy, Task
from tasks.states import Status
from tests.makers import claim_next, claim_or_none, kinds, make_agent, make_queue, make_task, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent(owner: User) -> Agent:
    return make_agent(owner)


def keyed(agent: Agent, policy: str = "", key: str = "deploy") -> Task:
    return make_task(agent, concurrency_key=key, concurrency_policy=policy)


def state_of(task: Task) -> Status:
    return Task.objects.get(pk=task.pk).state


def test_only_one_task_of_a_key_runs(agent: Agent) -> None:
    first, second = keyed(agent), keyed(agent)
    assert lifecycle.claim(queue_id=agent.queue_id, worker="w", limit=5).tasks == [first]
    assert claim_or_none(agent.queue) is None
    lifecycle.complete(claim=Claim(first.pk, 1), result="")
    assert claim_next(agent.queue) == second


def test_other_keys_and_tasks_without_one_go_on(agent: Agent) -> None:
    keyed(agent)
    keyed(agent)
    other, plain = keyed(agent, key="other"), make_task(agent)
    taken = lifecycle.claim(queue_id=agent.queue_id, worker="w", limit=5).tasks
    assert {other, plain} < set(taken)
    assert len(taken) == 3


def test_keys_of_two_users_have_nothing_to_do_with_each_other(agent: Agent) -> None:
    other = make_agent(make_user())
    keyed(agent)
    keyed(other)
    assert len(lifecycle.claim(queue_id=agent.queue_id, worker="w", limit=5).tasks) == 2


def test_key_holds_over_agents_and_queues_of_a_user(agent: Agent, owner: User) -> None:
    queue = make_queue(owner)
    keyed(agent)
    make_task(make_agent(owner, queue=queue), concurrency_key="deploy")
    claim_next(agent.queue)
    assert claim_or_none(queue) is None


def test_newer_one_cancels_older_ones(agent: Agent) -> None:
    running = keyed(agent)
    claim_next(agent.queue)
    waiting = keyed(agent)
    newest = keyed(agent, ConcurrencyPolicy.CANCEL_OLDER)
    assert [state_of(task) for task in (running, waiting, newest)] == [
        Status.CANCELLED,
        Status.CANCELLED,
        Status.READY,
    ]
    assert kinds(running)[-1] == events.CANCELLED
    assert "newer task" in running.events.order_by("-id")[0].data["reason"]
    assert claim_next(agent.queue) == newest


def test_newcomer_cancels_only_so_many(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "CANCEL_LIMIT", 2)
    for _ in range(3):
        keyed(agent)
    with pytest.raises(keys.TooManyToCancel):
        keyed(agent, ConcurrencyPolicy.CANCEL_OLDER)
    assert agent.tasks.filter(status=Status.READY).count() == 3


@pytest.mark.parametrize("is_running", [True, False])
def test_newcomer_gives_way(is_running: bool, agent: Agent) -> None:  # noqa: FBT001
    first = keyed(agent)
    if is_running:
        claim_next(agent.queue)
    with pytest.raises(ConcurrencyKeyTaken, match=str(first.uuid)):
        keyed(agent, ConcurrencyPolicy.DROP_NEWER)
    assert Task.objects.count() == 1


def test_newcomer_comes_in_when_the_others_have_ended(agent: Agent, owner: User) -> None:
    lifecycle.cancel(actor=owner, task=keyed(agent, ConcurrencyPolicy.DROP_NEWER))
    assert state_of(keyed(agent, ConcurrencyPolicy.DROP_NEWER)) == Status.READY


def test_retried_task_counts_as_coming_in(agent: Agent, owner: User) -> None:
    old = lifecycle.cancel(actor=owner, task=keyed(agent, ConcurrencyPolicy.DROP_NEWER))
    keyed(agent, ConcurrencyPolicy.DROP_NEWER)
    with pytest.raises(ConcurrencyKeyTaken):
        lifecycle.retry(actor=owner, task=old)
    assert state_of(old) == Status.CANCELLED


def test_batch_may_not_fight_with_itself(agent: Agent, owner: User) -> None:
    rivals = [
        Submission(agent=agent, prompt="x", concurrency_key="k", concurrency_policy=ConcurrencyPolicy.CANCEL_OLDER)
        for _ in range(2)
    ]
    with pytest.raises(InvalidInput):
        lifecycle.submit_many(actor=owner, submissions=rivals)
    assert not Task.objects.exists()


def test_database_refuses_two_running_tasks_of_a_key(agent: Agent) -> None:
    keyed(agent)
    running, second = claim_next(agent.queue), keyed(agent)
    fields = {name: getattr(running, name) for name in ("lease_expires_at", "started_at", "attempts")}
    with pytest.raises(IntegrityError, match="task_runs_alone_under_its_key"), transaction.atomic():
        Task.objects.filter(pk=second.pk).update(status=Status.RUNNING, recorded_status=Status.RUNNING, **fields)
