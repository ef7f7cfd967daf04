"""One id goes from a request through the attempt of its task to the delivery that tells of it."""

import logging
from collections.abc import Iterator
from functools import partial

import pytest
from django.db import connection
from pytest_django.fixtures import Settings

from accounts.models import User
from personalq.lib.current_request import current_request_id
from tasks import lifecycle
from tasks.claims import Claim
from tasks.engine import Engine
from tasks.models import Task
from tests.makers import claim_next, make_agent, make_queue, make_task
from tests.tasks.api.client import Api
from tests.tasks.test_engine import wait_for
from tests.webhooks.outbound.sending import connect, take_turn
from tests.wire.server import answering
from tests.wire.webhook_receiver import WebhookReceiver
from webhooks.models import Delivery
from webhooks.outbound import deliveries, endpoints

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.security]


class Lines(logging.Handler):
    """Which request each line belongs to, as the JSON formatter would tell it."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append((record.name, record.getMessage(), current_request_id()))

    def ids(self, logger: str, words: str = "") -> set[str]:
        return {request for name, message, request in self.seen if name == logger and words in message}


@pytest.fixture
def lines() -> Iterator[Lines]:
    handler = Lines()
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine(slots=5)
    yield engine
    engine.shut_down(0)


@pytest.fixture
def receiver(settings: Settings) -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as receiver:
        settings.PERSONALQ_INTERNAL_HOSTS = [receiver.target]
        receiver.script(answering(200))
        yield receiver


def test_web_worker_and_delivery_log_the_same_id_and_tasks_side_by_side_keep_theirs(
    owner: User, engine: Engine, receiver: WebhookReceiver, lines: Lines
) -> None:
    queue = make_queue(owner)
    agent = make_agent(owner, queue=queue)
    endpoint = connect(owner, receiver, kinds=["task_completed"])
    answers = [Api(owner).post("tasks", {"agent": str(agent.uuid), "prompt": "a b c"}) for _ in range(3)]
    asked = {answer.json()["uuid"]: answer["X-Request-ID"] for answer in answers}
    assert set(asked.values()) <= lines.ids("personalq.access")
    engine.work(queue.pk)
    wait_for(lambda: not Task.objects.exclude(status=1).exists(), 30)
    take_turn(endpoint)
    for uuid, request_id in asked.items():
        assert lines.ids("tasks.engine", f"{uuid} begins") == {request_id}
        wait_for(partial(lines.ids, "tasks.engine", f"{uuid} is over"), 10)
        assert lines.ids("tasks.engine", f"{uuid} is over") == {request_id}
    told = Delivery.objects.all()
    assert {one.request_id for one in told} == set(asked.values())
    for one in told:
        assert lines.ids("webhooks.outbound.turns", str(one.uuid)) == {one.request_id}


def test_retry_is_another_request_and_sql_has_none(owner: User) -> None:
    agent = make_agent(owner, queue=make_queue(owner))
    api = Api(owner)
    uuid = api.post("tasks", {"agent": str(agent.uuid), "prompt": "p"}).json()["uuid"]
    task = Task.objects.get(uuid=uuid)
    first = task.request_id
    lifecycle.fail(claim=Claim.of(claim_next(agent.queue)), code="provider_refused")
    answer = api.post(f"tasks/{uuid}/retry")
    task.refresh_from_db()
    assert len(first) == 32
    assert task.request_id == answer["X-Request-ID"] != first
    # Without a request, such as by a bulk action, the one that is known stays.
    lifecycle.cancel(actor=owner, task=task)
    lifecycle.retry(actor=owner, task=task)
    task.refresh_from_db()
    assert task.request_id == answer["X-Request-ID"]
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO tasks (prompt) VALUES ('as an older tool writes it') RETURNING request_id")
        assert cursor.fetchone() == ("",)


def test_sending_again_is_another_request_and_a_test_has_its_own(owner: User, receiver: WebhookReceiver) -> None:
    endpoint = connect(owner, receiver, kinds=["task_created"])
    make_task(make_agent(owner))
    delivery = Delivery.objects.get()
    assert delivery.request_id == ""
    api = Api(owner)
    answer = api.post(f"webhook-deliveries/{delivery.uuid}/redeliver")
    delivery.refresh_from_db()
    assert delivery.request_id == answer["X-Request-ID"]
    deliveries.redeliver(delivery=delivery)
    delivery.refresh_from_db()
    assert delivery.request_id == answer["X-Request-ID"]
    assert endpoints.send_test(endpoint=endpoint).request_id == ""
