"""Nobody owns more agents and queues than one user may, however many are made at once."""

from functools import partial
from typing import Any

import pytest

from tasks import agents, queues
from tasks.models import Agent, Queue
from tasks.quotas import QuotaReached
from tests.concurrency.racing import failures, race
from tests.makers import make_agent, make_user

pytestmark = pytest.mark.django_db(transaction=True)


def test_agents_are_counted_however_many_are_made_at_once(settings: Any) -> None:
    settings.PERSONALQ_AGENTS_PER_USER = 3
    owner = make_user()
    results = race(*[partial(agents.create, actor=owner, name=f"agent {number}", kind="echo") for number in range(6)])
    assert [type(error) for error in failures(results)] == [QuotaReached] * 3
    assert Agent.objects.filter(owner=owner).count() == 3


def test_queues_are_counted_however_many_are_made_at_once(settings: Any) -> None:
    settings.PERSONALQ_QUEUES_PER_USER = 3
    owner = make_user()
    results = race(*[partial(queues.create, actor=owner, name=f"queue-{number}") for number in range(6)])
    assert [type(error) for error in failures(results)] == [QuotaReached] * 3
    assert Queue.objects.filter(owner=owner).count() == 3


def test_deleted_agents_and_other_users_do_not_count(settings: Any) -> None:
    settings.PERSONALQ_AGENTS_PER_USER = 1
    owner = make_user()
    make_agent(make_user())
    agents.delete(actor=owner, agent=agents.create(actor=owner, name="one", kind="echo"))
    agents.create(actor=owner, name="two", kind="echo")


def test_shared_queues_belong_to_nobody(settings: Any) -> None:
    settings.PERSONALQ_QUEUES_PER_USER = 1
    owner = make_user()
    queues.create(actor=owner, name="own")
    queues.create(actor=owner, name="shared", is_shared=True)
