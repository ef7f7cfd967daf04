"""Callbacks over real sockets: the product's web process, a stand-in of the runner, and a worker's attempt between."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from accounts.models import User
from tasks import lifecycle, targets
from tasks.models import Agent, RunnerTarget, Task
from tasks.runners.web.reported import NOTHING_SAID
from tasks.states import Status
from tests.makers import assert_history_is_legal, make_agent, make_queue
from tests.realtime.sockets.serving import WebProcess, wait_for
from tests.webhooks.making import SECRET, Waiting, make_credential, make_waiting, run_again
from tests.wire.cursor_runner import OWN_SECRET, CursorRunner, post, succeeded, timed_out

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.security]

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def web(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProcess]:
    with WebProcess(tmp_path_factory.mktemp("web")) as process:
        yield process
        assert process.complaints == []


@pytest.fixture
def attempt(web: WebProcess, settings: Settings, owner: User) -> Callable[..., Task]:
    """Carries out one attempt of an agent that works at a runner, as a worker would, and returns its task."""
    settings.PERSONALQ_PUBLIC_URL = f"http://127.0.0.1:{web.port}"

    def run(runner: CursorRunner, *, secret: str | None = OWN_SECRET, **config: Any) -> Task:
        settings.PERSONALQ_INTERNAL_HOSTS = [runner.server.target]
        agent = make_runner_agent(owner, runner, secret, config)
        return run_again(agent)

    return run


def make_runner_agent(owner: User, runner: CursorRunner, secret: str | None, config: dict[str, Any]) -> Agent:
    credential = None if secret is None else make_credential(owner, secret=secret)
    config = {"protocol": "cursor-runner", "target_url": runner.url, **config}
    return make_agent(owner, kind="http", queue=make_queue(owner), credential=credential, config=config)


def now(task: Task) -> Task:
    return Task.objects.get(pk=task.pk)


def last_event(task: Task) -> dict[str, Any]:
    data: dict[str, Any] = task.events.order_by("-id").values_list("data", flat=True)[0]
    return data


def send(web: WebProcess, waiting: Waiting, body: Any, secret: str = SECRET) -> tuple[int, Any]:
    headers = {"Content-Type": "application/json", "X-Webhook-Secret": secret}
    return post(f"127.0.0.1:{web.port}", waiting.address, json.dumps(body).encode(), headers)


def is_refused(web: WebProcess, waiting: Waiting, body: Any, secret: str) -> bool:
    """Whether it is too large. Who sends on without reading the answer sees nothing but the end of the connection."""
    try:
        return send(web, waiting, body, secret)[0] == 413
    except ConnectionError:
        return True


RUNNERS = {
    "unmodified runner with a secret": ({}, OWN_SECRET),
    "runner that brings our secret back": ({"secret": None, "echoes": True}, None),
    "older runner": ({"iterates": True}, OWN_SECRET),
}


@pytest.mark.parametrize(("options", "secret"), RUNNERS.values(), ids=RUNNERS.keys())
def test_whole_way_there_and_back(options: dict[str, Any], secret: str | None, attempt: Callable[..., Task]) -> None:
    with CursorRunner(reports=False, **options) as runner:
        task = attempt(runner, secret=secret, iterate=True)
        assert (now(task).state, now(task).parked_at is not None) == (Status.RUNNING, True)
        answer = runner.report()
        assert answer == (200, {"received": True, "changed": True, "requestId": runner.accepted[0][1]["id"]})
        assert runner.report()[1]["changed"] is False
    assert (now(task).state, now(task).result) == (Status.COMPLETE, "done")
    assert_history_is_legal(task)


@pytest.mark.parametrize(
    ("result", "error"),
    [
        (succeeded("partial", exitCode=3, error="fatal"), "fatal"),
        (succeeded(""), NOTHING_SAID),
        (timed_out(), "Command timeout after 4000ms"),
    ],
    ids=["exit code", "kill", "timeout"],
)
def test_what_the_runner_calls_success_or_not(result: dict[str, Any], error: str, attempt: Callable[..., Task]) -> None:
    with CursorRunner(reports=False) as runner:
        runner.result = result
        task = attempt(runner)
        assert runner.report()[1]["changed"] is True
    assert (now(task).state, now(task).error_code) == (Status.FAILED, "target_failed")
    assert now(task).error_detail == error
    assert error not in str(last_event(task))


def test_callback_may_overtake_the_answer(attempt: Callable[..., Task]) -> None:
    for _ in range(10):
        with CursorRunner() as runner:
            task = attempt(runner)
            assert [answer["changed"] for _, answer in runner.wait_for_callbacks()] == [True]
        assert now(task).state == Status.COMPLETE
        assert_history_is_legal(task)


def test_runner_with_another_secret_cannot_report(web: WebProcess, attempt: Callable[..., Task]) -> None:
    with CursorRunner(secret=None, reports=False) as runner:
        task = attempt(runner, secret="what-we-believe-its-secret-is")
        assert runner.report()[0] == 401
        runner.secret = "something-else-altogether"
        assert runner.report()[0] == 401
        assert now(task).state == Status.RUNNING
    assert "something-else" not in web.log


def test_conversation_goes_on_where_the_runner_keeps_it(attempt: Callable[..., Task]) -> None:
    with CursorRunner(reports=False) as runner:
        attempt(runner)
        assert runner.executions[0]["conversationId"] == "conv-1"


def test_runner_without_a_route_is_asked_once(attempt: Callable[..., Task]) -> None:
    with CursorRunner(reports=False) as runner:
        task = attempt(runner, iterate=True)
        assert task.agent is not None
        lifecycle.cancel(actor=task.agent.owner, task=task)
        run_again(task.agent)
        assert runner.paths.count("/cursor/iterate/async") == 1
        assert RunnerTarget.objects.get().offers_iterate is False


def test_runner_that_keeps_failing_is_left_alone_and_tried_once_afterwards(attempt: Callable[..., Task]) -> None:
    with CursorRunner(reports=False) as runner:
        runner.answers = [(500, b"{}")] * targets.PATIENCE
        task = attempt(runner)
        assert task.agent is not None
        agent = task.agent
        for _ in range(targets.PATIENCE - 1):
            run_again(agent)
        asked = len(runner.server.requests)
        held = now(run_again(agent))
        assert (len(runner.server.requests), held.state) == (asked, Status.READY)
        agent.refresh_from_db()
        assert agent.held_code == "target_failing"
    assert RunnerTarget.objects.get().failures == targets.PATIENCE


class TestLargeReports:
    def test_ten_mebibytes_of_output_are_taken(self, web: WebProcess, owner: User) -> None:
        waiting = make_waiting(owner, output_limit_bytes=10 * MIB)
        text = "a line of output\n" * (10 * MIB // 17)
        assert send(web, waiting, waiting.body(output=text))[0] == 200
        assert len(waiting.now.result or "") == len(text)

    def test_strangers_have_nothing_large_to_say(self, web: WebProcess, owner: User) -> None:
        waiting = make_waiting(owner)
        before = web.memory_bytes
        for secret in ("wrong", waiting.expected.secret_digest):
            assert is_refused(web, waiting, waiting.body(output="x" * MIB), secret)
        assert web.memory_bytes - before < 20 * MIB
        assert waiting.now.state == Status.RUNNING

    def test_larger_than_any_report_is_refused(self, web: WebProcess, owner: User) -> None:
        waiting = make_waiting(owner)
        assert is_refused(web, waiting, waiting.body(output="x" * 17 * MIB), SECRET)
        assert waiting.now.state == Status.RUNNING


def test_access_log_shows_no_query_and_no_secret(web: WebProcess, owner: User) -> None:
    waiting = make_waiting(owner)
    address = f"{waiting.address}?secret=planted-in-the-query"
    status, _ = post(f"127.0.0.1:{web.port}", address, b"{}", {"X-Webhook-Secret": "planted-in-the-header"})
    assert status == 400
    wait_for(lambda: str(waiting.task.uuid) in web.log, "the access line")
    assert "planted" not in web.log
