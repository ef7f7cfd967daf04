"""Hints reach the broker after the commit, and a broker that is away neither fails nor delays anybody."""

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from celery import current_app
from django.db import transaction

from tasks import dispatch, lifecycle, sweep
from tasks.messenger import Hint, Messenger, messenger
from tasks.models import Task
from tasks.states import Status
from tests.makers import claim_next, make_agent, make_queue, make_running, make_task, make_user

pytestmark = pytest.mark.django_db(transaction=True)


def drain_broker() -> list[list[int]]:
    """Take all nudges from the real broker; returns their arguments."""
    assert messenger.wait_until_sent(20)
    taken: list[list[int]] = []
    with current_app.connection_for_read() as connection, connection.SimpleQueue("personalq") as queue:
        while True:
            try:
                message = queue.get(block=False)
            except queue.Empty:
                return taken
            message.ack()
            taken.append(json.loads(message.body or "")[0])


@pytest.fixture(autouse=True)
def _empty_broker() -> None:
    drain_broker()


def test_submit_nudges_its_queue_after_the_commit() -> None:
    agent = make_agent(make_user())
    with transaction.atomic():
        make_task(agent)
        assert drain_broker() == []
    assert drain_broker() == [[agent.queue_id]]


def test_rolled_back_submit_nudges_nobody() -> None:
    agent = make_agent(make_user())
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        make_task(agent)
        _ = 1 / 0
    assert drain_broker() == []


def test_rolled_back_cancel_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    posted: list[Hint] = []
    task, _claim = make_running(make_agent(make_user()))
    monkeypatch.setattr(messenger, "post", posted.append)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        lifecycle.cancel(actor=None, task=task)
        _ = 1 / 0
    assert posted == []


def test_sweep_repeats_a_lost_nudge() -> None:
    agent = make_agent(make_user())
    make_task(agent)
    drain_broker()
    sweep.sweep()
    assert drain_broker() == [[agent.queue_id]]


def test_sweep_nudges_only_queues_with_work_due() -> None:
    make_agent(make_user(), queue=make_queue())
    sweep.sweep()
    assert drain_broker() == []


@pytest.fixture
def hanging_broker() -> Iterator[threading.Event]:
    """A broker that accepts connections and never says a word, until the event is set."""
    silent = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        before = current_app.conf.broker_url
        _use_broker(f"redis://127.0.0.1:{server.getsockname()[1]}/0")
        yield silent
        _use_broker(before)
    silent.set()


def _use_broker(url: str) -> None:
    app: Any = current_app
    app.conf.broker_url = url
    app.pool.force_close_all()
    app._pool = app.amqp._producer_pool = None


def test_submit_and_cancel_do_not_wait_for_a_broker_that_hangs(hanging_broker: threading.Event) -> None:
    task = make_task(make_agent(make_user()))
    lifecycle.cancel(actor=None, task=task)
    assert not hanging_broker.is_set()
    assert Task.objects.get(pk=task.pk).state == Status.CANCELLED


def test_urgent_hints_go_first_and_equal_ones_once() -> None:
    own = Messenger()
    gate = threading.Event()
    sent: list[int] = []

    def hold_up() -> None:
        assert gate.wait(20)

    own.post(Hint(0, hold_up, ()))

    def note(number: int) -> None:
        sent.append(number)

    for number in (5, 6, 5):
        own.post(Hint(1, note, (number,)))
    own.post(Hint(0, note, (1,)))
    gate.set()
    assert own.wait_until_sent(20)
    assert sent[0] == 1
    assert sorted(sent) == [1, 5, 6]


def test_failing_hint_is_dropped_and_the_next_one_is_sent() -> None:
    own = Messenger()
    sent = threading.Event()

    def fail() -> None:
        raise ConnectionError("the broker is away")

    own.post(Hint(0, fail, ()))
    assert own.wait_until_sent(20)
    own.post(Hint(0, sent.set, ()))
    assert sent.wait(20)


def test_stop_is_sent_for_a_running_task_only(monkeypatch: pytest.MonkeyPatch) -> None:
    posted: list[Hint] = []
    monkeypatch.setattr(messenger, "post", posted.append)
    agent = make_agent(make_user())
    ready = make_task(agent)
    lifecycle.cancel(actor=None, task=ready)
    assert [hint.numbers for hint in posted if hint.send is dispatch._send_stop] == []
    make_task(agent)
    running = claim_next(agent.queue)
    lifecycle.cancel(actor=None, task=running)
    assert [hint.numbers for hint in posted if hint.send is dispatch._send_stop] == [(running.pk, 1)]
