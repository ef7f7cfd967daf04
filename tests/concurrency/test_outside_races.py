"""Several workers outside at once: nothing is taken twice, and late results change nothing."""

from collections import Counter
from datetime import timedelta
from functools import partial

import pytest
from django.db.models.functions import Now

from accounts.models import User
from tasks import lifecycle, outside_work
from tasks.models import Task
from tasks.outside_work import ClaimOver
from tasks.states import Status
from tests.concurrency.racing import ROUNDS, failures, race
from tests.makers import assert_history_is_legal, make_agent, make_task, make_user

pytestmark = pytest.mark.django_db(transaction=True)


def drain(actor: User, worker: str) -> list[int]:
    done = []
    while (task := outside_work.take_next(actor=actor, worker=worker)) is not None:
        outside_work.complete(actor=actor, task=task, attempt=task.attempts, result=worker)
        done.append(task.pk)
    return done


def test_workers_outside_and_our_own_never_take_a_task_twice() -> None:
    owner = make_user()
    agent = make_agent(owner, kind="external", concurrency_limit=100)
    made = [make_task(agent).pk for _ in range(100)]

    def ours() -> list[Task]:
        return lifecycle.claim(queue_id=agent.queue_id, worker="ours", limit=20).tasks

    *drained, claimed = race(*[partial(drain, owner, f"w{number}") for number in range(4)], ours)
    assert not failures([*drained, claimed])
    assert Counter(pk for one in drained for pk in one) == Counter(made)
    assert claimed == []


def test_late_result_and_recovery_never_both_win() -> None:
    owner = make_user()
    agent = make_agent(owner, kind="external", concurrency_limit=1_000)
    for _ in range(ROUNDS):
        make_task(agent)
        task = outside_work.take_next(actor=owner, worker="w")
        assert task is not None
        Task.objects.filter(pk=task.pk).update(lease_expires_at=Now() - timedelta(seconds=1))
        completed, recovered = race(
            partial(outside_work.complete, actor=owner, task=task, attempt=task.attempts, result="r"),
            partial(lifecycle.recover_lost, task_id=task.pk),
        )
        state = Task.objects.get(pk=task.pk).state
        if isinstance(completed, ClaimOver):
            assert recovered is not None
            assert state == Status.READY
            lifecycle.cancel(actor=owner, task=task)
        else:
            assert recovered is None
            assert state == Status.COMPLETE
        assert_history_is_legal(task)
