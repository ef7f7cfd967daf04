"""Agents that speak cursor-runner's protocol, against a stand-in on a real socket."""

import json
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from tasks.runners import Message, Outcome, Parked, RunFailed
from tests.tasks.runners.web import REQUEST_ID, SECRET, TASK, Desk, Run, carry_out, check
from tests.wire.cursor_runner import OWN_SECRET, CursorRunner, succeeded, timed_out
from tests.wire.server import Exchange, WireServer


class Calling:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.desk = Desk()

    async def __call__(self, runner: CursorRunner, **config: Any) -> Run:
        options = {"secret": OWN_SECRET, "desk": self.desk, **config.pop("options", {})}
        self.allow(runner.server)
        return await carry_out({"target_url": runner.url, **config}, **options)

    def allow(self, server: WireServer) -> None:
        self._settings.PERSONALQ_INTERNAL_HOSTS = [server.target]


@pytest.fixture
def call(settings: Settings) -> Calling:
    return Calling(settings)


@pytest.fixture
def silent() -> Any:
    """A runner that accepts work and never reports."""
    with CursorRunner(reports=False) as runner:
        yield runner


class TestHandingOver:
    async def test_work_is_accepted_and_parked(self, silent: CursorRunner, call: Calling) -> None:
        run = await call(silent, repository="demo", branch="main", queue_type="api")
        assert isinstance(run.end, Parked)
        assert run.facts == {"request_id": REQUEST_ID, "path": "/cursor/execute/async"}
        assert silent.paths == ["/cursor/conversation/new", "/cursor/execute/async"]
        assert silent.executions == [
            {
                "prompt": "say hi",
                "repository": "demo",
                "branchName": "main",
                "queueType": "api",
                "conversationId": "conv-1",
                "id": REQUEST_ID,
                "callbackUrl": f"http://127.0.0.1:1/webhooks/runner/{TASK}/7",
                "callbackSecret": SECRET,
            }
        ]

    async def test_the_callback_is_expected_before_the_work_is_sent(self, silent: CursorRunner, call: Calling) -> None:
        silent.answers = [(200, b'{"success": true, "conversationId": "c"}'), (500, b"")]
        await call(silent)
        assert call.desk.expected == 1

    @pytest.mark.security
    async def test_secrets_are_in_headers_and_body_and_never_in_an_address(
        self, silent: CursorRunner, call: Calling
    ) -> None:
        await call(silent)
        sent = silent.server.requests[-1]
        assert (sent.headers["x-webhook-secret"], sent.headers["x-callback-secret"]) == (OWN_SECRET, SECRET)
        assert not any(secret in one.target for one in silent.server.requests for secret in (SECRET, OWN_SECRET))
        assert SECRET not in silent.executions[0]["callbackUrl"]

    async def test_without_a_credential_the_attempts_secret_stands_for_it(self, call: Calling) -> None:
        with CursorRunner(secret=None, reports=False) as runner:
            await call(runner, options={"secret": None})
            assert runner.server.requests[-1].headers["x-webhook-secret"] == SECRET
            # Which a request that is about no attempt does not have.
            assert "x-webhook-secret" not in runner.server.requests[0].headers

    async def test_each_task_gets_a_conversation_of_its_own(self, silent: CursorRunner, call: Calling) -> None:
        await call(silent)
        await call(silent)
        assert [one["conversationId"] for one in silent.executions] == ["conv-1", "conv-2"]
        assert call.desk.conversations == ["conv-1", "conv-2"]

    async def test_conversation_that_is_continued_is_reused(self, silent: CursorRunner, call: Calling) -> None:
        earlier = [Message(role="user", text="before")]
        await call(silent, options={"remote_conversation": "conv-77", "messages": earlier})
        assert silent.paths == ["/cursor/execute/async"]
        assert (silent.executions[0]["conversationId"], silent.executions[0]["prompt"]) == ("conv-77", "say hi")

    async def test_version_without_conversations_is_used_without(self, silent: CursorRunner, call: Calling) -> None:
        silent.answers = [(404, b"Cannot POST")]
        run = await call(silent)
        assert isinstance(run.end, Parked)
        assert "conversationId" not in silent.executions[0]

    @pytest.mark.parametrize("body", [b"{}", b"[]", b"nothing", b'{"conversationId": "a b"}', b'{"conversationId": 5}'])
    async def test_conversation_without_usable_id(self, body: bytes, silent: CursorRunner, call: Calling) -> None:
        silent.answers = [(200, body)]
        assert (await call(silent)).code == "bad_answer"

    @pytest.mark.parametrize(
        ("status", "body", "code"),
        [
            (200, b'{"success": false, "error": "full"}', "provider_refused"),
            (200, b'{"success": "true"}', "provider_refused"),
            (200, b"<html>", "bad_answer"),
            (201, b'{"success": true}', "bad_answer"),
            (302, b"", "bad_answer"),
            (400, b"{}", "provider_refused"),
            (401, b"{}", "provider_auth"),
            (404, b"{}", "bad_answer"),
            (429, b"{}", "rate_limited"),
            (500, b"{}", "provider_unavailable"),
        ],
    )
    async def test_answers_that_accept_nothing(
        self, status: int, body: bytes, code: str, silent: CursorRunner, call: Calling
    ) -> None:
        silent.answers = [(200, b'{"conversationId": "c"}'), (status, body)]
        run = await call(silent)
        assert (run.code, run.end) == (code, None)

    async def test_202_accepts_too(self, silent: CursorRunner, call: Calling) -> None:
        silent.answers = [(200, b'{"conversationId": "c"}'), (202, b'{"success": true}')]
        assert isinstance((await call(silent)).end, Parked)

    async def test_work_whose_acceptance_was_lost_may_be_there_and_is_not_sent_again(
        self, silent: CursorRunner, call: Calling
    ) -> None:
        silent.cuts_executions = True
        run = await call(silent)
        assert isinstance(run.end, Parked)
        assert run.facts == {"request_id": REQUEST_ID, "path": "/cursor/execute/async", "is_unconfirmed": True}
        assert silent.paths == ["/cursor/conversation/new", "/cursor/execute/async"]

    async def test_wrong_secret_of_the_runner(self, silent: CursorRunner, call: Calling) -> None:
        assert (await call(silent, options={"secret": "another-secret"})).code == "provider_auth"

    @pytest.mark.parametrize("status", [200, 401, 422, 500])
    async def test_refusal_that_brings_back_the_attempts_secret(
        self, status: int, silent: CursorRunner, call: Calling
    ) -> None:
        refusal = json.dumps({"success": False, "error": f"{SECRET} is not for us"}).encode()
        silent.answers = [(200, b'{"conversationId": "c"}'), (status, refusal)]
        run = await call(silent)
        assert run.failure is not None
        assert SECRET not in f"{run.failure.detail} {run.failure.facts}"


class TestIterating:
    async def test_runner_that_has_it_is_asked_and_remembered(self, call: Calling) -> None:
        with CursorRunner(iterates=True, reports=False) as runner:
            run = await call(runner, iterate=True, max_iterations=9)
            assert run.facts["path"] == "/cursor/iterate/async"
            assert runner.executions[0]["maxIterations"] == 9
        assert call.desk.iterates is True

    @pytest.mark.parametrize("missing", [None, b"<pre>Cannot POST /cursor/iterate/async</pre>", b'{"error": "no"}'])
    async def test_runner_without_it_is_asked_once_and_executes(
        self, missing: bytes | None, silent: CursorRunner, call: Calling
    ) -> None:
        if missing is not None:
            silent.answers = [(200, b'{"conversationId": "c"}'), (404, missing)]
        run = await call(silent, iterate=True)
        await call(silent, iterate=True)
        assert run.facts["path"] == "/cursor/execute/async"
        assert call.desk.iterates is False
        assert [path for path in silent.paths if path != "/cursor/conversation/new"] == [
            "/cursor/iterate/async",
            "/cursor/execute/async",
            "/cursor/execute/async",
        ]
        assert call.desk.expected == 2

    async def test_unless_wanted_it_is_not_asked(self, call: Calling) -> None:
        with CursorRunner(iterates=True, reports=False) as runner:
            await call(runner)
            assert "/cursor/iterate/async" not in runner.paths
        assert call.desk.iterates is None

    async def test_broken_answer_teaches_nothing(self, silent: CursorRunner, call: Calling) -> None:
        silent.answers = [(200, b'{"conversationId": "c"}'), (502, b"")]
        assert (await call(silent, iterate=True)).code == "provider_unavailable"
        assert call.desk.iterates is None


class TestWaitingForTheAnswer:
    async def test_output_comes_back(self, call: Calling) -> None:
        with CursorRunner() as runner:
            runner.result = succeeded("\x1b[32mdone\x1b[0m")
            run = await call(runner, mode="sync")
            assert isinstance(run.end, Outcome)
            assert (run.text, run.facts) == ("done", {"exit_code": 0, "duration": "16ms"})
            assert runner.executions[0]["id"] == f"{TASK}-7"
            assert "callbackUrl" not in runner.executions[0]
        assert (call.desk.expected, call.desk.notes) == (0, [False])

    @pytest.mark.parametrize(
        "result",
        [
            succeeded("partial", exitCode=3),
            succeeded(""),
            succeeded("out", error="bad"),
            timed_out(),
            succeeded("o", success=0),
        ],
        ids=["exit 3", "killed", "stderr", "timeout", "no success"],
    )
    async def test_failures_behind_a_status_of_200(self, result: dict[str, Any], call: Calling) -> None:
        with CursorRunner() as runner:
            runner.result = result
            run = await call(runner, mode="sync")
        assert (run.code, run.text) == ("target_failed", result.get("output", ""))

    async def test_iterating_ends_with_422_when_the_work_failed(self, call: Calling) -> None:
        with CursorRunner(iterates=True) as runner:
            runner.result = {"success": False, "error": "no way", "iterations": 2, "maxIterations": 5}
            run = await call(runner, mode="sync", iterate=True)
        assert (run.code, run.facts["iterations"]) == ("target_failed", 2)

    async def test_present_version_executes_when_asked_to_iterate(self, call: Calling) -> None:
        with CursorRunner() as runner:
            assert (await call(runner, mode="sync", iterate=True)).text == "done"
            assert runner.paths[1:] == ["/cursor/iterate", "/cursor/execute"]
        assert call.desk.iterates is False

    async def test_unknown_repository_is_a_failure_of_the_work(self, call: Calling) -> None:
        with CursorRunner() as runner:
            runner.status, runner.result = 404, {"success": False, "error": "Repository not found locally: x."}
            run = await call(runner, mode="sync", repository="x")
        assert run.code == "target_failed"

    async def test_answer_in_another_form(self, call: Calling) -> None:
        with CursorRunner() as runner:
            runner.result = {"success": "perhaps"}
            assert (await call(runner, mode="sync")).code == "bad_answer"


class TestFailingRunner:
    async def test_failures_of_its_own_are_counted(self, settings: Settings, call: Calling) -> None:
        with CursorRunner() as runner:
            runner.answers = [(503, b"")]
            await call(runner)
        await call(runner)  # nobody listens any more
        assert call.desk.notes == [True, True]

    async def test_refusals_are_not(self, silent: CursorRunner, call: Calling) -> None:
        await call(silent, options={"secret": "another-secret"})
        assert call.desk.notes == []

    async def test_runner_that_is_left_alone_is_not_called(self, silent: CursorRunner, call: Calling) -> None:
        call.desk.refusal = RunFailed("target_failing")
        assert (await call(silent)).code == "target_failing"
        assert silent.server.connections == 0


class TestCheck:
    async def test_health_is_asked(self, silent: CursorRunner, call: Calling) -> None:
        call.allow(silent.server)
        assert "says it is well" in await check({"target_url": f"{silent.url}/"}, OWN_SECRET)
        assert silent.paths == ["/health"]

    async def test_something_else_is_no_cursor_runner(self, call: Calling) -> None:
        async def handle(exchange: Exchange) -> None:
            await exchange.answer(200, {}, json.dumps({"status": "ok"}).encode())

        with WireServer(handle) as server, pytest.raises(RunFailed) as failed:
            call.allow(server)
            await check({"target_url": server.url})
        assert failed.value.code == "bad_answer"
