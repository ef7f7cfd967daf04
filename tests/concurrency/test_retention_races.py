"""V14.2.7: removing contents while somebody retries, edits or goes on: never a task that runs without its prompt."""

from datetime import timedelta
from functools import partial

import pytest

from accounts.models import User
from tasks import conversations, events, lifecycle, retention
from tasks.claims import Claim
from tasks.lifecycle import ContentsRemoved, pruning
from tasks.models import Agent, Task
from tasks.states import Status
from tests.concurrency.racing import ROUNDS, failures, race
from tests.makers import assert_history_is_legal, claim_next, kinds, make_agent, make_queue, make_task
from tests.tasks.aging import make_older

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.security]


@pytest.fixture
def agent(owner: User) -> Agent:
    queue = make_queue(owner, concurrency_limit=1000)
    return make_agent(owner, queue=queue, concurrency_limit=1000)


def old_failure(agent: Agent, **fields: object) -> Task:
    task = make_task(agent, "the prompt", **fields)
    lifecycle.fail(claim=Claim.of(claim_next(agent.queue)), code="command_failed")
    make_older(task, days=31)
    return Task.objects.get(pk=task.pk)


def old_answer(agent: Agent, **fields: object) -> Task:
    task = make_task(agent, "the prompt", **fields)
    lifecycle.complete(claim=Claim.of(claim_next(agent.queue)), result="the answer")
    make_older(task, days=31)
    return Task.objects.get(pk=task.pk)


def fresh(task: Task) -> Task:
    return Task.objects.get(pk=task.pk)


def test_prune_against_retry(agent: Agent, owner: User) -> None:
    for _ in range(ROUNDS):
        task = old_failure(agent)
        results = race(partial(lifecycle.retry, actor=owner, task=task), partial(retention.prune, 30))
        after = fresh(task)
        assert_history_is_legal(task)
        if after.pruned_at is None:
            assert failures(results) == []
            assert (after.state, after.prompt) == (Status.READY, "the prompt")
            lifecycle.cancel(actor=owner, task=task)
        else:
            (refused,) = failures(results)
            assert isinstance(refused, ContentsRemoved)
            assert (after.state, after.prompt) == (Status.FAILED, "")


def test_prune_against_edit(agent: Agent, owner: User) -> None:
    for _ in range(ROUNDS):
        task = old_failure(agent)
        results = race(partial(lifecycle.edit, actor=owner, task=task, prompt="new"), partial(retention.prune, 30))
        after = fresh(task)
        assert (after.prompt, [type(one) for one in failures(results)]) in [("new", []), ("", [ContentsRemoved])]


def test_prune_against_the_retry_of_another_task_of_the_conversation(agent: Agent, owner: User) -> None:
    """Whoever tries again goes on from all that was said, or is refused."""
    for _ in range(ROUNDS):
        first = old_answer(agent)
        conversation = conversations.continue_task(task=first, agent=agent)
        second = old_failure(agent, conversation=conversation)
        make_older(first, days=31)
        race(partial(lifecycle.retry, actor=owner, task=second), partial(retention.prune, 30))
        texts = (fresh(first).result, fresh(second).prompt)
        if fresh(second).state == Status.READY:
            assert texts == ("the answer", "the prompt")
            lifecycle.cancel(actor=owner, task=second)
        else:
            assert texts == (None, "")


def test_runs_at_once_remove_each_task_once(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "BATCH", 3)
    tasks = [old_answer(agent) for _ in range(40)]
    results = race(*[partial(retention.prune, 30)] * 4)
    assert failures(results) == []
    assert sum(one.tasks for removed in results for one in removed) == 40
    assert [kinds(task).count(events.PRUNED) for task in tasks] == [1] * 40
    assert not Task.objects.prunable(timedelta(days=30)).exists()
