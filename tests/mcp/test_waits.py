"""Waiting for tasks: with a real engine at work, with clients that go away, and with many at once."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from mcp import Client
from mcp_types import CallToolResult

from accounts.models import PersonalToken, User
from accounts.tokens import personal_tokens
from personalq.lib import stopping
from tasks import lifecycle
from tasks.engine import Engine
from tasks.mcp.waits import Follower, TooManyWaits, look_at
from tasks.models import Agent as TaskAgent
from tasks.models import Task
from tasks.states import Status
from tests.makers import make_agent, make_queue, make_running, make_task
from tests.mcp.talking import ACCEPTED, Agent, message, token_of
from tests.realtime.sockets.serving import WebProcess

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine(slots=4)
    yield engine
    engine.shut_down(0)


class Heard:
    """A call with a progressToken, and what it was told meanwhile."""

    def __init__(self, begin: Callable[[], None] = lambda: None) -> None:
        """Take what is to begin once the first word is heard."""
        self._begin = begin
        self.progress: list[float] = []
        self.words: list[str] = []

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        if not self.words:
            self._begin()
        self.progress.append(progress)
        self.words.append(message or "")

    def call(self, agent: Agent, tool: str, **arguments: Any) -> CallToolResult:
        async def work(client: Client) -> CallToolResult:
            return await client.call_tool(tool, arguments, progress_callback=self)

        return agent.run(work)


def test_task_is_driven_from_its_addition_to_its_end(url: str, alice: User, engine: Engine, mode: str) -> None:
    queue = make_queue(alice, name="q")
    make_agent(alice, name="echo", queue=queue, config={"word_delay_ms": 250})
    agent = Agent(url, token_of(alice), mode)
    prompt = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
    added = agent.ask("add_task", agent="echo", prompt=prompt)
    heard = Heard(lambda: engine.work(queue.pk))
    result = heard.call(agent, "wait_for_task", task=added["uuid"], timeout_seconds=25)
    answer = result.structured_content
    assert (answer["is_finished"], answer["task"]["status"], answer["task"]["result"]) == (True, "complete", prompt)
    assert (answer["output"], answer["is_output_cut"]) == (prompt, False)
    assert any(words.startswith("running (attempt 1): ") for words in heard.words), heard.words
    assert heard.words[-1].startswith("complete")
    assert heard.progress == sorted(heard.progress)


def test_wait_ends_at_once_for_a_task_that_has_ended(as_alice: Agent, echo: TaskAgent) -> None:
    task, claim = make_running(echo)
    lifecycle.fail(claim=claim, code="reported_failed")
    began = time.monotonic()
    answer = as_alice.ask("wait_for_task", task=str(task.uuid), timeout_seconds=25)
    assert (answer["is_finished"], answer["task"]["status"]) == (True, "failed")
    assert time.monotonic() - began < 10


def test_wait_ends_at_its_time(as_alice: Agent, echo: TaskAgent) -> None:
    task = make_task(echo)
    answer = as_alice.ask("wait_for_task", task=str(task.uuid), timeout_seconds=1)
    assert (answer["is_finished"], answer["needs_approval"], answer["task"]["status"]) == (False, False, "ready")
    assert "wait_for_task again" in answer["advice"]


def test_wait_ends_when_an_approval_is_needed(as_alice: Agent, alice: User) -> None:
    task = make_task(make_agent(alice, name="careful", needs_approval=True))
    answer = as_alice.ask("wait_for_task", task=str(task.uuid), timeout_seconds=25)
    assert (answer["is_finished"], answer["needs_approval"]) == (False, True)
    assert "answer_approval" in answer["advice"]


def test_wait_goes_on_while_a_task_is_only_put_aside(as_alice: Agent, echo: TaskAgent) -> None:
    task = make_task(echo, is_backlogged=True)
    answer = as_alice.ask("wait_for_task", task=str(task.uuid), timeout_seconds=1)
    assert (answer["is_finished"], answer["needs_approval"]) == (False, False)


def test_output_is_not_repeated(as_alice: Agent, echo: TaskAgent) -> None:
    task, claim = make_running(echo)
    lifecycle.record_output(claim=claim, text="first ", offset=0)
    first = as_alice.ask("wait_for_task", task=str(task.uuid), timeout_seconds=1)
    lifecycle.record_output(claim=claim, text="second", offset=6)
    again = as_alice.ask("wait_for_task", task=str(task.uuid), timeout_seconds=1, after=first["last_event_id"])
    assert (first["output"], again["output"]) == ("first ", "second")


def test_only_the_end_of_much_output_is_told(as_alice: Agent, echo: TaskAgent) -> None:
    task, claim = make_running(echo)
    offset = 0
    for number in range(250):
        text = f"{number:04}" * 50
        lifecycle.record_output(claim=claim, text=text, offset=offset)
        offset += len(text)
    answer = as_alice.ask("wait_for_task", task=str(task.uuid), timeout_seconds=1)
    assert (len(answer["output"]), answer["is_output_cut"]) == (30_000, True)
    assert answer["output"].endswith("0249" * 50)


class Waiting:
    """A wait in a thread of its own, whose connection can be dropped."""

    def __init__(self, url: str, token: str, task: Task, seconds: int = 60, era: str = "2025-11-25") -> None:
        self._client = httpx2.Client(timeout=90)
        self._request = self._client.build_request(
            "POST",
            url,
            headers={
                "Authorization": f"Bearer {token}", "Accept": ACCEPTED, "MCP-Protocol-Version": era,
                "Mcp-Method": "tools/call", "Mcp-Name": "wait_for_task",
            },
            json=self._message(task, seconds, era),
        )  # fmt: skip
        self.response = self._client.send(self._request, stream=True)
        self.stream = self.response.iter_lines()

    @staticmethod
    def _message(task: Task, seconds: int, era: str) -> dict[str, Any]:
        meta: dict[str, Any] = {"progressToken": "p"}
        if era == "2026-07-28":
            meta["io.modelcontextprotocol/protocolVersion"] = era
            meta["io.modelcontextprotocol/clientCapabilities"] = {}
        arguments = {"task": str(task.uuid), "timeout_seconds": seconds}
        return message("tools/call", name="wait_for_task", arguments=arguments, _meta=meta)

    def hear(self, words: str) -> str:
        """The first line that says this."""
        return next(line for line in self.stream if words in line)

    def hang_up(self) -> None:
        self._client.close()


ERAS = ("2025-11-25", "2026-07-28")


@pytest.mark.parametrize("era", ERAS)
def test_client_that_hangs_up_waits_no_longer(start_web: Any, alice: User, echo: TaskAgent, era: str) -> None:
    web = start_web(PERSONALQ_MCP_WAITS_PER_USER="1")
    url, token, task = f"http://127.0.0.1:{web.port}/mcp", token_of(alice), make_task(echo)
    first = Waiting(url, token, task, era=era)
    first.hear("ready")
    assert (
        Agent(url, token).refused("wait_for_task", task=str(task.uuid), timeout_seconds=1)["code"] == "too_many_waits"
    )
    first.hang_up()
    eventually(lambda: not Agent(url, token).call("wait_for_task", task=str(task.uuid), timeout_seconds=1).is_error)


def eventually(condition: Callable[[], bool], seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end


@pytest.mark.security
@pytest.mark.parametrize("era", ERAS)
def test_revoked_token_ends_a_wait_within_seconds(url: str, alice: User, echo: TaskAgent, era: str) -> None:
    waiting = Waiting(url, token_of(alice), make_task(echo), era=era)
    waiting.hear("ready")
    personal_tokens.revoke(actor=alice, token=PersonalToken.objects.get())
    began = time.monotonic()
    assert "isError" in waiting.hear("invalid_token")
    assert time.monotonic() - began < 5


@pytest.mark.security
def test_wait_of_a_deactivated_user_ends(url: str, alice: User, echo: TaskAgent) -> None:
    waiting = Waiting(url, token_of(alice), make_task(echo))
    waiting.hear("ready")
    User.objects.update(is_active=False)
    waiting.hear("invalid_token")


@pytest.mark.parametrize("era", ERAS)
def test_waits_get_an_answer_when_the_process_stops(start_web: Any, alice: User, echo: TaskAgent, era: str) -> None:
    web: WebProcess = start_web()
    waiting = Waiting(f"http://127.0.0.1:{web.port}/mcp", token_of(alice), make_task(echo), era=era)
    waiting.hear("ready")
    stopper = threading.Thread(target=web.stop)
    stopper.start()
    assert '"is_finished": false' in waiting.hear("is_finished").replace("\\", "")
    stopper.join(20)
    assert web.complaints == []


def test_many_wait_on_few_connections(start_web: Any, alice: User, echo: TaskAgent) -> None:
    # Threads of this process may still have connections of their own.
    before = connections_of_others()
    web = start_web(PERSONALQ_MCP_WAITS_PER_USER="200")
    url, token = f"http://127.0.0.1:{web.port}/mcp", token_of(alice)
    tasks = [make_task(echo) for _ in range(10)]

    async def wait_for_all() -> list[int]:
        limits = httpx2.Limits(max_connections=300)
        async with httpx2.AsyncClient(timeout=600, limits=limits) as client:
            waits = [asyncio.create_task(wait(client, tasks[number % 10])) for number in range(200)]
            await asyncio.wait(waits, timeout=0)
            return list(await asyncio.gather(*waits))

    async def wait(client: httpx2.AsyncClient, task: Task) -> int:
        body = Waiting._message(task, 600, "2025-11-25")
        headers = {"Authorization": f"Bearer {token}", "Accept": ACCEPTED}
        async with client.stream("POST", url, headers=headers, json=body) as response:
            async for line in response.aiter_lines():
                if "ready" in line and "progressToken" in line:
                    told.release()
                if "is_finished" in line:
                    return line.count("cancelled")
        return 0

    told = threading.Semaphore(0)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(asyncio.run, wait_for_all())
        for _ in range(200):
            assert told.acquire(timeout=60)
        assert connections_of_others() <= before + 12
        for task in tasks:
            lifecycle.cancel(actor=alice, task=task)
        assert all(running.result(timeout=120))


def connections_of_others() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return int(cursor.fetchone()[0])


def test_all_awaited_tasks_are_looked_at_in_three_queries(echo: TaskAgent) -> None:
    running = [make_running(echo)[0] for _ in range(3)]
    start = look_at(task_ids=[], after=None)[2]
    with CaptureQueriesContext(connection) as few:
        look_at(task_ids=[running[0].pk], after=start - 1)
    with CaptureQueriesContext(connection) as many:
        seen, _, _ = look_at(task_ids=[task.pk for task in running], after=start - 1)
    assert len(few) == len(many) <= 3
    assert {sight.status for sight in seen.values()} == {Status.RUNNING}


async def test_waits_of_a_user_are_bounded_and_given_back(settings: Any) -> None:
    settings.PERSONALQ_MCP_WAITS_PER_USER = 1
    follower, mine, other = Follower(), (1, uuid4(), ""), (2, uuid4(), "")
    async with follower.waiting(task_id=1, standing=mine), follower.waiting(task_id=1, standing=other):
        with pytest.raises(TooManyWaits):
            async with follower.waiting(task_id=2, standing=mine):
                pass
    async with follower.waiting(task_id=2, standing=mine):
        pass
    assert not follower._per_user


def test_stopping_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "_begun", threading.Event())
    assert not stopping.has_begun()
    stopping.begin()
    assert stopping.has_begun()
