"""Calls that would have led into a network of ours are in the audit trail: host, reason and for whom (B-N-8, V16.3)."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from accounts.models import AuditEvent, User
from personalq.lib import afterwards, http
from personalq.lib.http import Cause, HttpRefused
from tasks import agent_test, lifecycle
from tasks.engine import Engine
from tasks.models import Agent, Queue, Task
from tests.lib.outbound.names import Names
from tests.makers import make_agent, make_queue, make_task
from tests.tasks.api.client import Api
from tests.tasks.test_engine import wait_for
from tests.tasks.trail.reading import only, rows, told
from tests.webhooks.outbound.sending import make_endpoint, take_turn

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.security]
KIND = "outgoing.blocked"
HOST = "inside.example.com"
URL = f"https://{HOST}/secret-path?token=secret-query"


@pytest.fixture(autouse=True)
def inside(monkeypatch: pytest.MonkeyPatch) -> None:
    Names(monkeypatch, {HOST: [["10.0.0.7"]]})


@pytest.fixture
def queue(owner: User) -> Queue:
    return make_queue(owner)


@pytest.fixture
def caller(owner: User, queue: Queue) -> Agent:
    return make_agent(owner, kind="http", queue=queue, config={"protocol": "plain", "target_url": URL})


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine(slots=5)
    yield engine
    engine.shut_down(0)


def run(engine: Engine, *tasks: Task) -> None:
    engine.work(tasks[0].queue_id or 0)
    wait_for(lambda: not Task.objects.filter(pk__in=[task.pk for task in tasks], status__in=[0, 4]).exists(), 60)
    afterwards.settled().result(30)


def test_attempt_tells_host_reason_task_and_owner_and_nothing_of_path_and_query(
    owner: User, caller: Agent, engine: Engine
) -> None:
    task = make_task(caller)
    run(engine, task)
    event = only(KIND)
    assert told(event) == ("denied", "", None, owner.username, "", None)
    assert event.facts == {"host": HOST, "reason": "address_refused", "caused_by": "task", "uuid": str(task.uuid)}
    assert "secret" not in str(event.facts)


def test_many_tasks_leave_one_row_an_hour_for_a_host(owner: User, caller: Agent, engine: Engine) -> None:
    tasks = [make_task(caller) for _ in range(4)]
    run(engine, *tasks)
    only(KIND)


def test_other_owner_has_a_row_of_their_own(caller: Agent, engine: Engine, django_user_model: Any) -> None:
    other = django_user_model.objects.create_user(username="other", password="not used")
    second = make_agent(other, kind="http", queue=make_queue(other), config=caller.config)
    for agent in (caller, second):
        run(engine, make_task(agent))
    assert [told(event)[3] for event in rows(KIND)] == [caller.owner.username, "other"]


def test_agent_that_is_tried_out(owner: User, caller: Agent) -> None:
    answer = Api(owner).post(f"agents/{caller.uuid}/test")
    assert answer.json()["code"] == "address_refused", answer.content
    event = only(KIND)
    assert (event.facts["caused_by"], event.facts["uuid"]) == ("agent", str(caller.uuid))
    assert event.request_id == answer["X-Request-ID"]
    assert agent_test.try_out(actor=owner, agent=caller).is_ok is False


def test_endpoint(owner: User) -> None:
    endpoint = make_endpoint(owner, URL, kinds=["task_created"])
    make_task(make_agent(owner))
    take_turn(endpoint)
    afterwards.settled().result(30)
    event = only(KIND)
    assert event.facts == {
        "host": HOST, "reason": "address_refused", "caused_by": "endpoint", "uuid": str(endpoint.uuid)
    }  # fmt: skip


def test_literal_address_is_told_as_the_host(owner: User) -> None:
    with http.calling_for(Cause(owner_id=owner.pk, noun="task", uuid=uuid4())), pytest.raises(HttpRefused):
        http.check_url("https://169.254.169.254/latest/meta-data?x=1")
    assert only(KIND).facts["host"] == "169.254.169.254"


def test_other_failures_and_calls_of_nobody_leave_nothing(owner: User) -> None:
    with http.calling_for(Cause(owner_id=owner.pk, noun="task", uuid=uuid4())), pytest.raises(HttpRefused):
        http.check_url("ftp://inside.example.com/")
    with pytest.raises(HttpRefused):
        asyncio.run(http.fetch("GET", URL))
    afterwards.settled().result(30)
    assert not AuditEvent.objects.filter(kind=KIND).exists()


class TestAfterwards:
    def test_work_waits_for_the_end_of_the_block_and_one_failure_stops_no_other(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        done: list[str] = []

        def fail() -> None:
            raise ZeroDivisionError

        with pytest.raises(KeyError), afterwards.gathering(), afterwards.gathering():
            afterwards.put_off(fail)
            afterwards.put_off(lambda: done.append("second"))
            assert done == []
            raise KeyError
        assert done == ["second"]
        assert "could not be done" in caplog.text

    def test_what_comes_too_late_is_done_at_once(self) -> None:
        from contextvars import copy_context  # noqa: PLC0415

        done: list[int] = []
        with afterwards.gathering():
            context = copy_context()
        context.run(afterwards.put_off, lambda: done.append(1))
        assert done == [1]

    def test_event_loop_is_not_kept_waiting(self) -> None:
        ran: list[str] = []

        async def serve() -> None:
            afterwards.put_off(lambda: ran.append(threading.current_thread().name))

        asyncio.run(serve())
        afterwards.settled().result(30)
        assert ran
        assert ran[0].startswith("afterwards")


def test_attempt_that_is_retried_by_its_owner_stays_one_row(caller: Agent, engine: Engine) -> None:
    task = make_task(caller)
    run(engine, task)
    lifecycle.retry(actor=caller.owner, task=task)
    run(engine, task)
    only(KIND)
