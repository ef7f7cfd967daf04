"""Attempts of models from claim to end: the key, the stream, tokens and cost, limits, and what is left behind."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.models import User
from tasks import events, lifecycle
from tasks.claims import Claim
from tasks.engine import Engine
from tasks.models import Agent, AttemptSpending, ModelPrice, Queue, Task
from tasks.states import Status
from tests.makers import assert_history_is_legal, make_agent, make_credential, make_queue, make_task
from tests.tasks.runners.asking import DIALECTS, KEY, Dialect, allow
from tests.tasks.test_engine import is_over, output_of, state_of, wait_for
from tests.wire.server import Exchange, Handler, WireServer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine(slots=10)
    yield engine
    engine.shut_down(0)


@pytest.fixture
def queue(owner: User) -> Queue:
    return make_queue(owner)


@pytest.fixture(params=DIALECTS, ids=lambda dialect: str(dialect.kind))
def dialect(request: pytest.FixtureRequest) -> Dialect:
    found: Dialect = request.param
    return found


@pytest.fixture
def agent_for(dialect: Dialect, owner: User, queue: Queue, settings: Settings) -> Callable[..., Any]:
    """A server that the operator allows, with an agent that calls it with a key of its owner."""

    @contextmanager
    def serve(handler: Handler, **fields: Any) -> Iterator[Agent]:
        with WireServer(handler) as server:
            allow(settings, server, dialect)
            config = {"model": dialect.wire.MODEL, "base_url": server.url + dialect.path, "system_prompt": "Be brief."}
            key = make_credential(owner, provider=dialect.kind, secret=KEY)
            yield make_agent(owner, kind=dialect.kind, queue=queue, config=config, credential=key, **fields)

    return serve


def told_of(task: Task) -> str:
    """Everything that the database holds about a task."""
    row = Task.objects.filter(pk=task.pk).values().get()
    return json.dumps([row, *task.events.values("kind", "data")], default=str)


def tokens_out_of(task: Task) -> int | None:
    """What is noted of the latest attempt."""
    return AttemptSpending.objects.filter(task=task).values_list("tokens_out", flat=True).first()


def test_answer_its_tokens_and_its_cost_are_kept(
    engine: Engine, queue: Queue, dialect: Dialect, agent_for: Callable[..., Any]
) -> None:
    price = {"input_price": Decimal(3), "output_price": Decimal(15), "cached_input_price": Decimal("0.3")}
    ModelPrice.objects.create(provider=dialect.kind, model=f"{dialect.wire.MODEL}*", **price)
    body = dialect.wire.whole("Hello ", "there.", tokens_in=1_000, tokens_out=100)
    with agent_for(dialect.wire.streaming(body)) as agent:
        task = make_task(agent, "Say hello.")
        engine.work(queue.pk)
        wait_for(is_over(task))
    task.refresh_from_db()
    assert (task.state, task.result, output_of(task)) == (Status.COMPLETE, "Hello there.", "Hello there.")
    assert (task.tokens_in, task.tokens_out, task.cost) == (1_000, 100, Decimal("0.0045"))
    assert task.events.get(kind=events.COMPLETED).data["model"] == dialect.wire.MODEL
    assert_history_is_legal(task)


def test_refused_key_fails_the_task_and_stays_secret(
    engine: Engine, queue: Queue, dialect: Dialect, agent_for: Callable[..., Any]
) -> None:
    refusing = dialect.wire.refusing(401, "authentication_error", f"Incorrect API key provided: {KEY}")
    with agent_for(refusing) as agent:
        task = make_task(agent)
        engine.work(queue.pk)
        wait_for(is_over(task))
    task.refresh_from_db()
    assert (task.state, task.error_code, task.attempts) == (Status.FAILED, "provider_auth", 1)
    assert "Incorrect API key provided" in task.error_detail
    assert KEY not in told_of(task)


def test_limit_holds_the_agent_until_its_end(
    engine: Engine, queue: Queue, dialect: Dialect, agent_for: Callable[..., Any]
) -> None:
    with agent_for(dialect.wire.refusing(429, dialect.rate_limit, Retry_After="300")) as agent:
        task = make_task(agent)
        engine.work(queue.pk)
        wait_for(lambda: Agent.objects.get(pk=agent.pk).held_until_at is not None)
    agent.refresh_from_db()
    assert 200 < (agent.held_until_at - timezone.now()).total_seconds() <= 300
    assert agent.held_code == "rate_limited"
    assert state_of(task) == Status.READY


def test_cancel_hangs_up_and_what_was_consumed_is_counted(
    engine: Engine, owner: User, queue: Queue, dialect: Dialect, agent_for: Callable[..., Any]
) -> None:
    hung_up = []

    async def handle(exchange: Exchange) -> None:
        await exchange.begin(200, dialect.wire.head())
        await exchange.chunk(dialect.wire.start() + dialect.wire.text("x" * 4_096))
        await exchange.gone()
        hung_up.append(timezone.now())

    with agent_for(handle) as agent:
        task = make_task(agent)
        engine.work(queue.pk)
        # Two writes, and which comes first is nobody's promise.
        wait_for(lambda: (len(output_of(task)), tokens_out_of(task)) == (4_096, 1_024))
        cancelled = lifecycle.cancel(actor=owner, task=task)
        asked = timezone.now()
        engine.stop_attempt(Claim.of(cancelled))
        wait_for(lambda: bool(hung_up))
    assert (hung_up[0] - asked).total_seconds() < 1
    task.refresh_from_db()
    assert (task.state, task.tokens_out) == (Status.CANCELLED, 1_024)
    assert AttemptSpending.objects.get(task=task).settled_at is not None
