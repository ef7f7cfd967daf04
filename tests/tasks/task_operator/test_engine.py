"""The task operator with a live worker: rows run one after the other, and turning it off ends that within seconds."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator

import pytest
from django.db import connections

from accounts.models import User
from tasks import lifecycle, runners, task_operator
from tasks.dispatch import _send_hand_out, _send_nudge
from tasks.engine import Engine
from tasks.messenger import Hint, messenger
from tasks.models import Agent, Task
from tasks.runners import Piece, Request, RunFailed
from tasks.states import Status
from tests.makers import claim_or_none, make_agent, make_operator, make_queue
from tests.tasks.test_engine import Puppet, wait_for

pytestmark = pytest.mark.django_db(transaction=True)
PROMISED_SECONDS = 5


class Broker:
    """Carries hints out at once, in threads of their own, as Celery's workers would."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._threads: list[threading.Thread] = []

    def post(self, hint: Hint) -> None:
        if hint.send is _send_nudge:
            self._engine.work(hint.numbers[0])
        elif hint.send is _send_hand_out:
            thread = threading.Thread(target=self._hand_out)
            thread.start()
            self._threads.append(thread)

    def _hand_out(self) -> None:
        try:
            task_operator.hand_out()
        finally:
            connections.close_all()

    def close(self) -> None:
        for thread in list(self._threads):
            thread.join(20)


class Recorded:
    """What a puppet was given, and how many ran at once."""

    def __init__(self) -> None:
        self.prompts: list[str] = []
        self.running = 0
        self.most_at_once = 0

    async def script(self, request: Request) -> AsyncIterator[Piece]:
        self.prompts.append(request.prompt)
        self.running += 1
        self.most_at_once = max(self.most_at_once, self.running)
        try:
            await asyncio.sleep(0.01)
            if request.prompt == "fails":
                raise RunFailed("command_failed", "exit 3")
            yield "done"
        finally:
            self.running -= 1


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Recorded:
    recorded = Recorded()
    monkeypatch.setitem(runners.RUNNERS, "puppet", Puppet(recorded.script))
    return recorded


@pytest.fixture
def operator() -> User:
    return make_operator()


@pytest.fixture
def agent(operator: User, recorded: Recorded) -> Agent:
    return make_agent(operator, kind="puppet", queue=make_queue(operator))


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch, recorded: Recorded) -> Iterator[Broker]:
    engine = Engine(slots=10)
    broker = Broker(engine)
    monkeypatch.setattr(messenger, "post", broker.post)
    yield broker
    engine.shut_down(5)
    broker.close()


def insert(prompt: str, order: int) -> Task:
    task = Task.objects.create(prompt=prompt, order=order)
    assert lifecycle.adopt(task_id=task.pk)
    return task


def test_rows_run_one_after_the_other_without_any_sweep(
    broker: Broker, operator: User, agent: Agent, recorded: Recorded
) -> None:
    rows = [insert(f"row {order}", order) for order in (3, 1, 2)]
    failing = insert("fails", 0)
    task_operator.turn_on(actor=operator, agent=agent)
    wait_for(lambda: all(Task.objects.get(pk=row.pk).state == Status.COMPLETE for row in rows))
    assert recorded.prompts == ["fails", "row 1", "row 2", "row 3"]
    assert recorded.most_at_once == 1
    assert Task.objects.get(pk=failing.pk).state == Status.FAILED


def test_turning_off_ends_new_starts_within_five_seconds(
    broker: Broker, operator: User, agent: Agent, recorded: Recorded
) -> None:
    for order in range(500):
        insert(f"row {order}", order)
    task_operator.turn_on(actor=operator, agent=agent)
    wait_for(lambda: len(recorded.prompts) > 5)
    began_at = time.monotonic()
    task_operator.turn_off(actor=operator)
    assert time.monotonic() - began_at < PROMISED_SECONDS
    started = Task.objects.filter(attempts__gt=0).count()
    wait_for(lambda: not Task.objects.running().exists())
    broker.close()
    assert task_operator.hand_out() is None
    assert claim_or_none(agent.queue) is None
    assert Task.objects.filter(attempts__gt=0).count() == started
    assert Task.objects.unassigned().count() == 500 - started
