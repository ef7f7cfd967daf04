"""Nobody owns more agents and queues than one user may, however many are made at once."""

from functools import partial
from typing import Any

import pytest

from tasks import agents, queues
from tasks.models import Agent, Queue, Task
from tasks.quotas import QuotaReached
from tasks.schedules import firing
from tasks.schedules.states import reason_of
from tasks.states import Status
from tests.concurrency.racing import failures, race
from tests.makers import make_agent, make_queue, make_running, make_task, make_user
from tests.tasks.api.client import Api
from tests.tasks.scheduling import make_due, make_schedule

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


class TestTasksThatWait:
    @pytest.fixture(autouse=True)
    def limit(self, settings: Any) -> None:
        settings.PERSONALQ_UNFINISHED_TASKS_PER_USER = 2

    def test_one_more_is_refused_until_one_has_begun(self) -> None:
        owner = make_user()
        agent = make_agent(owner, queue=make_queue(owner))
        make_task(agent, is_backlogged=True)
        make_running(agent)
        make_task(agent)
        with pytest.raises(QuotaReached, match="more than 2 of your tasks would wait"):
            make_task(agent)
        assert Task.objects.filter(owner=owner).count() == 3
        make_task(make_agent(make_user()))

    def test_batch_that_does_not_fit_is_refused_as_a_whole(self) -> None:
        owner = make_user()
        agent = make_agent(owner)
        wanted = [{"agent": str(agent.uuid), "prompt": str(number)} for number in range(3)]
        answer = Api(owner).post("tasks/batch", {"tasks": wanted})
        assert (answer.status_code, answer.json()["code"]) == (409, "quota_reached")
        assert not Task.objects.exists()
        assert Api(owner).post("tasks/batch", {"tasks": wanted[:2]}).status_code == 201

    def test_rows_written_by_sql_are_not_refused_but_count(self) -> None:
        agent = make_agent(make_user())
        Task.objects.bulk_create(Task(owner=agent.owner, agent=agent, prompt="x", status=Status.READY) for _ in "123")
        with pytest.raises(QuotaReached):
            make_task(agent)

    def test_schedule_says_why_its_time_came_to_nothing(self) -> None:
        agent = make_agent(make_user())
        for _ in range(2):
            make_task(agent)
        schedule = make_schedule(agent.owner, agent=agent)
        make_due(schedule)
        firing.fire_due()
        fire = schedule.fires.get()
        assert (fire.outcome, fire.code) == ("failed", "quota_reached")
        assert reason_of(fire) == "as many tasks waited as one user may have"

    def test_with_room_to_spare_it_is_not_counted_each_time(self, settings: Any) -> None:
        settings.PERSONALQ_UNFINISHED_TASKS_PER_USER = 50
        agent = make_agent(make_user())
        for _ in range(50):
            make_task(agent)
        with pytest.raises(QuotaReached):
            make_task(agent)
