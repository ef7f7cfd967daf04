"""Webhook endpoints of a whole product: real workers and beat, a receiver that verifies, and a worker that dies."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.embedded.running import wait_for
from tests.product.conftest import Stage
from tests.product.test_rotation import connect
from tests.wire.server import answering
from tests.wire.webhook_receiver import WebhookReceiver, hang

pytestmark = pytest.mark.product
FORGET_LEASES = "UPDATE webhook_endpoints SET claimed_until_at = claimed_until_at - interval '60 seconds'"


@pytest.fixture
def endpoint(stage: Stage) -> Iterator[Any]:
    """An endpoint that gets word of finished tasks."""
    wanted = {"name": "product", "target_url": stage.receiver.url, "kinds": ["task_completed"]}
    made = stage.operator.call("POST", "/webhook-endpoints", wanted)
    stage.receiver.secret = made["secret"]
    stage.receiver.messages.clear()
    stage.receiver.script(answering(200))
    yield made
    stage.operator.call("DELETE", f"/webhook-endpoints/{made['uuid']}")


@pytest.fixture
def echo(stage: Stage) -> str:
    known = {one["name"]: one["uuid"] for one in stage.operator.get("/agents?page_size=100")["results"]}
    return known.get("tells the world") or stage.operator.make_agent("tells the world", "echo", word_delay_ms=0)


def of(receiver: WebhookReceiver, task: str) -> list[Any]:
    return [message for message in receiver.messages if message.data.get("task") == task]


def deliveries(stage: Stage, endpoint: Any) -> list[Any]:
    found: list[Any] = stage.operator.get(f"/webhook-endpoints/{endpoint['uuid']}/deliveries")["results"]
    return found


def test_finished_task_is_told_signed_and_noted(stage: Stage, echo: str, endpoint: Any) -> None:
    task = stage.operator.run(echo, "Tell nobody these words.")
    assert stage.receiver.wait_for(lambda: bool(of(stage.receiver, task["uuid"])))
    (message,) = of(stage.receiver, task["uuid"])
    assert (message.type, message.data["status"], message.data["attempt"]) == ("task_completed", "complete", 1)
    assert message.data["url"].endswith(f"/tasks/{task['uuid']}")
    assert b"Tell nobody" not in message.body
    assert stage.receiver.refused == []
    wait_for(lambda: deliveries(stage, endpoint)[0]["state"] == "delivered", "the delivery to be noted")
    (delivery,) = deliveries(stage, endpoint)
    assert (delivery["message_id"], delivery["attempts"], delivery["last_status"]) == (message.id, 1, 200)


def test_error_is_tried_again_by_beat_with_the_same_id(stage: Stage, echo: str, endpoint: Any) -> None:
    stage.receiver.script(answering(503), answering(200))
    task = stage.operator.run(echo)["uuid"]
    assert stage.receiver.wait_for(lambda: len(of(stage.receiver, task)) == 2, seconds=30)
    first, second = of(stage.receiver, task)
    assert (first.id, first.body) == (second.id, second.body)
    assert first.request.headers["webhook-timestamp"] < second.request.headers["webhook-timestamp"]


def test_worker_that_is_killed_during_a_call_repeats_it(stage: Stage, echo: str, endpoint: Any) -> None:
    stage.receiver.script(hang, answering(200))
    task = stage.operator.run(echo)["uuid"]
    assert stage.receiver.wait_for(lambda: len(of(stage.receiver, task)) == 1)
    killed = stage.installation.home.pids()["worker"]
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: stage.installation.home.pids().get("worker", killed) != killed, "another worker")
    # The lease of the dead one has to run out; the clock is put forward instead of waiting for it.
    with connect(stage.installation) as connection:
        connection.execute(FORGET_LEASES)
    assert stage.receiver.wait_for(lambda: len(of(stage.receiver, task)) == 2, seconds=40)
    first, second = of(stage.receiver, task)
    assert (first.id, first.body) == (second.id, second.body)
    wait_for(lambda: deliveries(stage, endpoint)[0]["state"] == "delivered", "the delivery to be noted")
