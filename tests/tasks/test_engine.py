"""The engine carries real tasks out: streaming, stopping, failing, giving back."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import User
from personalq.lib.fields import StrictSerializer
from tasks import events, lifecycle, runners
from tasks.claims import Claim, OutputPiece
from tasks.engine import Engine
from tasks.models import Agent, Queue, Task
from tasks.runners import CheckRequest, Piece, Request, RunFailed, Runner
from tasks.states import Status
from tests.makers import assert_history_is_legal, kinds, make_agent, make_queue, make_task

pytestmark = pytest.mark.django_db(transaction=True)


class NoConfig(StrictSerializer):
    pass


class Puppet(Runner):
    """A runner that does what the test's script says; a real coroutine on the real loop."""

    kind: ClassVar = "puppet"
    label: ClassVar = "Puppet"
    config_class: ClassVar = NoConfig

    def __init__(self, script: Callable[[Request], AsyncIterator[Piece]]) -> None:
        self.script = script
        self.started = threading.Event()
        self.ended = threading.Event()

    async def check(self, request: CheckRequest) -> str:
        raise NotImplementedError

    async def run(self, request: Request) -> AsyncIterator[Piece]:
        self.started.set()
        try:
            async for piece in self.script(request):
                yield piece
        finally:
            self.ended.set()


async def talk_for_ever(_request: Request) -> AsyncIterator[Piece]:
    while True:
        yield "on and on "
        await asyncio.sleep(0.01)


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine(slots=10)
    yield engine
    engine.shut_down(0)


@pytest.fixture
def queue(owner: User) -> Queue:
    return make_queue(owner)


def puppet(monkeypatch: pytest.MonkeyPatch, script: Any) -> Puppet:
    runner = Puppet(script)
    monkeypatch.setitem(runners.RUNNERS, "puppet", runner)
    return runner


def wait_for(condition: Callable[[], object], seconds: float = 20) -> None:
    """Look again and again until it holds."""
    end = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < end, "it never happened"
        pause.wait(0.01)


def state_of(task: Task) -> Status:
    return Task.objects.get(pk=task.pk).state


def is_over(task: Task) -> Callable[[], bool]:
    return lambda: state_of(task) not in {Status.READY, Status.RUNNING}


def output_of(task: Task) -> str:
    pieces = task.events.filter(kind=events.OUTPUT).order_by("id").values_list("data", flat=True)
    text = ""
    for piece in pieces:
        assert piece["offset"] == len(text)
        text += piece["text"]
    return text


def test_echo_says_the_prompt_back(engine: Engine, owner: User, queue: Queue) -> None:
    prompt = "  two  words\nand a third \u00e9\U0001f600 "
    task = make_task(make_agent(owner, queue=queue, config={"word_delay_ms": 0}), prompt)
    engine.work(queue.pk)
    wait_for(is_over(task))
    assert Task.objects.get(pk=task.pk).result == prompt
    assert output_of(task) == prompt
    assert kinds(task)[0] == events.CREATED
    assert kinds(task)[-1] == events.COMPLETED


def test_output_arrives_while_the_task_runs(
    engine: Engine, owner: User, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    puppet(monkeypatch, talk_for_ever)
    task = make_task(make_agent(owner, kind="puppet", queue=queue))
    engine.work(queue.pk)
    wait_for(lambda: len(output_of(task)) > 100)
    assert state_of(task) == Status.RUNNING


def test_cancel_stops_the_runner_without_any_message(
    engine: Engine, owner: User, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = puppet(monkeypatch, talk_for_ever)
    task = make_task(make_agent(owner, kind="puppet", queue=queue))
    engine.work(queue.pk)
    assert runner.started.wait(20)
    lifecycle.cancel(actor=owner, task=task)
    assert runner.ended.wait(5)
    assert state_of(task) == Status.CANCELLED
    assert kinds(task)[-1] == events.CANCELLED


def test_cancel_stops_a_runner_that_says_nothing(
    engine: Engine, owner: User, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def say_nothing(_request: Request) -> AsyncIterator[Piece]:
        await asyncio.sleep(3600)
        yield ""

    runner = puppet(monkeypatch, say_nothing)
    task = make_task(make_agent(owner, kind="puppet", queue=queue))
    engine.work(queue.pk)
    assert runner.started.wait(20)
    lifecycle.cancel(actor=owner, task=task)
    assert runner.ended.wait(5)


def test_stop_message_stops_at_once(
    engine: Engine, owner: User, queue: Queue, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.PERSONALQ_WATCH_SECONDS = 3600
    runner = puppet(monkeypatch, talk_for_ever)
    task = make_task(make_agent(owner, kind="puppet", queue=queue))
    engine.work(queue.pk)
    assert runner.started.wait(20)
    cancelled = lifecycle.cancel(actor=owner, task=task)
    engine.stop_attempt(Claim.of(cancelled))
    assert runner.ended.wait(5)


def test_late_result_cannot_resurrect(
    engine: Engine, owner: User, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end = threading.Event()

    async def finish_when_told(_request: Request) -> AsyncIterator[Piece]:
        yield "nearly"
        await asyncio.to_thread(may_end.wait, 20)
        yield "done"

    runner = puppet(monkeypatch, finish_when_told)
    task = make_task(make_agent(owner, kind="puppet", queue=queue))
    engine.work(queue.pk)
    assert runner.started.wait(20)
    lifecycle.cancel(actor=owner, task=task)
    may_end.set()
    assert runner.ended.wait(5)
    assert state_of(task) == Status.CANCELLED
    assert_history_is_legal(task)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RunFailed("command_failed", "exit 3"), "command_failed"),
        (ValueError("a defect"), "internal_error"),
        (TimeoutError("the runner's own"), "internal_error"),
    ],
)
def test_failing_runner_fails_its_task_and_not_the_worker(
    error: Exception,
    code: str,
    engine: Engine,
    owner: User,
    queue: Queue,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fail(_request: Request) -> AsyncIterator[Piece]:
        yield "before "
        raise error

    puppet(monkeypatch, fail)
    agent = make_agent(owner, kind="puppet", queue=queue)
    task, following = make_task(agent), make_task(make_agent(owner, queue=queue))
    engine.work(queue.pk)
    wait_for(is_over(task))
    wait_for(is_over(following))
    failed = Task.objects.get(pk=task.pk)
    assert (failed.state, failed.error_code) == (Status.FAILED, code)
    assert output_of(task) == "before "
    assert state_of(following) == Status.COMPLETE


def test_time_limit_ends_the_attempt(
    engine: Engine, owner: User, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = puppet(monkeypatch, talk_for_ever)
    task = make_task(make_agent(owner, kind="puppet", queue=queue, timeout_seconds=1))
    engine.work(queue.pk)
    wait_for(is_over(task))
    assert runner.ended.is_set()
    assert Task.objects.get(pk=task.pk).error_code == "timed_out"


def test_output_is_not_doubled_when_an_attempt_ends_while_it_is_written(
    engine: Engine, owner: User, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, runner_ended = threading.Event(), threading.Event()
    record = lifecycle.record_outputs

    def record_slowly(*, pieces: Sequence[OutputPiece]) -> set[Claim]:
        done = record(pieces=pieces)
        writing.set()
        assert runner_ended.wait(20)
        return done

    async def end_while_it_is_written(_request: Request) -> AsyncIterator[Piece]:
        yield "all of it"
        await asyncio.to_thread(writing.wait, 20)
        runner_ended.set()

    monkeypatch.setattr(lifecycle, "record_outputs", record_slowly)
    written: list[str] = []
    monkeypatch.setattr(events, "record_each", _remembering(events.record_each, written))
    puppet(monkeypatch, end_while_it_is_written)
    task = make_task(make_agent(owner, kind="puppet", queue=queue))
    engine.work(queue.pk)
    wait_for(is_over(task))
    assert output_of(task) == "all of it"
    assert written == ["all of it"]


def _remembering(record: Callable[..., Any], written: list[str]) -> Callable[..., Any]:
    def remember(tasks: Sequence[Task], kind: str, **how: Any) -> Any:
        if kind == events.OUTPUT:
            written.extend(how["data_of"](task)["text"] for task in tasks)
        return record(tasks, kind, **how)

    return remember


async def fall_silent(_request: Request) -> AsyncIterator[Piece]:
    yield "a word "
    await asyncio.sleep(3600)


def test_attempt_that_falls_silent_is_ended_and_tried_again(
    engine: Engine, owner: User, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = puppet(monkeypatch, fall_silent)
    agent = make_agent(owner, kind="puppet", queue=queue, idle_timeout_seconds=1, max_attempts=2, retry_base_seconds=60)
    task = make_task(agent)
    engine.work(queue.pk)
    wait_for(lambda: events.RETRIED in kinds(task))
    assert runner.ended.is_set()
    assert task.events.get(kind=events.RETRIED).data["reason"] == "went_silent"
    assert output_of(task) == "a word "


def test_attempt_that_goes_on_talking_is_not_silent(
    engine: Engine, owner: User, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def talk_slowly(_request: Request) -> AsyncIterator[Piece]:
        for _ in range(12):
            yield "word "
            await asyncio.sleep(0.25)

    puppet(monkeypatch, talk_slowly)
    task = make_task(make_agent(owner, kind="puppet", queue=queue, idle_timeout_seconds=2))
    engine.work(queue.pk)
    wait_for(is_over(task))
    assert state_of(task) == Status.COMPLETE


def test_limit_that_a_runner_meets_holds_its_agent(
    engine: Engine, owner: User, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    until = timezone.now() + timedelta(hours=1)

    async def meet_the_limit(_request: Request) -> AsyncIterator[Piece]:
        yield "nearly"
        raise RunFailed("usage_limited", retry_at=until)

    puppet(monkeypatch, meet_the_limit)
    agent = make_agent(owner, kind="puppet", queue=queue)
    task = make_task(agent)
    engine.work(queue.pk)
    wait_for(lambda: kinds(task)[-1] == events.HELD)
    agent.refresh_from_db()
    assert agent.held_until_at == until


def test_end_of_a_task_lets_another_queue_of_the_same_agent_go_on(engine: Engine, owner: User, queue: Queue) -> None:
    other = make_queue(owner)
    agent = make_agent(owner, queue=queue, concurrency_limit=1, config={"word_delay_ms": 1})
    tasks = [make_task(agent, queue=lane) for lane in (queue, other)]
    engine.work(queue.pk)
    engine.work(other.pk)
    for task in tasks:
        wait_for(is_over(task))


def test_output_limit_ends_the_attempt_and_keeps_what_fits(
    engine: Engine, owner: User, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    puppet(monkeypatch, talk_for_ever)
    task = make_task(make_agent(owner, kind="puppet", queue=queue, output_limit_bytes=1024))
    engine.work(queue.pk)
    wait_for(is_over(task))
    assert Task.objects.get(pk=task.pk).error_code == "output_too_large"
    assert len(output_of(task)) == 1024


def test_nul_and_long_output_are_kept_in_bounded_events(
    engine: Engine, owner: User, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def flood(_request: Request) -> AsyncIterator[Piece]:
        yield "a\0b" + "x" * 20_000

    puppet(monkeypatch, flood)
    task = make_task(make_agent(owner, kind="puppet", queue=queue))
    engine.work(queue.pk)
    wait_for(is_over(task))
    assert output_of(task) == "a\ufffdb" + "x" * 20_000
    assert all(len(event.data["text"]) <= 4096 for event in task.events.filter(kind=events.OUTPUT))


@pytest.mark.parametrize("agent_fields", [{"kind": "nonsense"}, {"config": {"word_delay_ms": "fast"}}, {"config": []}])
def test_broken_configuration_fails_the_task_with_a_code(
    agent_fields: dict[str, Any], engine: Engine, owner: User, queue: Queue
) -> None:
    task = make_task(make_agent(owner, queue=queue, **agent_fields))
    engine.work(queue.pk)
    wait_for(is_over(task))
    assert Task.objects.get(pk=task.pk).error_code == "agent_misconfigured"


def test_deleted_agent_fails_the_task_with_a_code(engine: Engine, owner: User, queue: Queue) -> None:
    agent = make_agent(owner, queue=queue)
    task = make_task(agent)
    Agent.objects.filter(pk=agent.pk).update(deleted_at=timezone.now())
    engine.work(queue.pk)
    wait_for(is_over(task))
    assert Task.objects.get(pk=task.pk).error_code == "agent_deleted"


def test_more_work_than_slots_is_done_without_further_nudges(owner: User) -> None:
    engine = Engine(slots=2)
    queues = [make_queue(owner) for _ in range(2)]
    tasks = []
    for queue in queues:
        agent = make_agent(owner, queue=queue, config={"word_delay_ms": 0})
        tasks += [make_task(agent) for _ in range(6)]
    for queue in queues:
        engine.work(queue.pk)
    wait_for(lambda: all(is_over(task)() for task in tasks))
    engine.shut_down(5)


def test_warm_stop_lets_short_work_finish_and_gives_the_rest_back(
    owner: User, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(slots=10)
    runner = puppet(monkeypatch, talk_for_ever)
    long = make_task(make_agent(owner, kind="puppet", queue=queue))
    short = make_task(make_agent(owner, queue=queue, config={"word_delay_ms": 10}), "three short words")
    engine.work(queue.pk)
    assert runner.started.wait(20)
    engine.shut_down(3)
    assert state_of(short) == Status.COMPLETE
    given_back = Task.objects.get(pk=long.pk)
    assert (given_back.state, given_back.is_exhausted) == (Status.READY, False)
    assert given_back.not_before_at is None
    assert runner.ended.is_set()


def test_lease_is_renewed_while_the_task_runs(
    engine: Engine, owner: User, queue: Queue, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.PERSONALQ_LEASE_SECONDS = 12
    runner = puppet(monkeypatch, talk_for_ever)
    task = make_task(make_agent(owner, kind="puppet", queue=queue))
    engine.work(queue.pk)
    assert runner.started.wait(20)
    first = Task.objects.get(pk=task.pk).lease_expires_at
    assert first is not None
    wait_for(lambda: (Task.objects.get(pk=task.pk).lease_expires_at or first) > first)


def test_worker_cut_off_from_the_database_stops_its_work(
    owner: User, queue: Queue, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.PERSONALQ_LEASE_SECONDS = 1
    settings.PERSONALQ_WATCH_SECONDS = 0.1
    engine = Engine(slots=1)
    runner = puppet(monkeypatch, talk_for_ever)
    make_task(make_agent(owner, kind="puppet", queue=queue))
    engine.work(queue.pk)
    assert runner.started.wait(20)
    with connection.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE")
        assert runner.ended.wait(10)
        cursor.execute("ROLLBACK")
    engine.shut_down(0)
