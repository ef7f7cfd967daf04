"""Plain HTTP agents against a server on a real socket."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from personalq.lib import redaction
from tasks.runners import Message, Request, RunFailed, checked_config
from tasks.runners.web import HttpRunner
from tests.tasks.runners.web import TASK, Run, carry_out, check
from tests.wire.authority import Authority
from tests.wire.plain_target import PlainTarget
from tests.wire.server import Exchange, WireServer, answering

HOSTILE = 'say "hi", {{input}} </script> \n{"admin": true} \\" {{attempt}}'


class Calling:
    """Runs attempts against a target that the operator allowed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def __call__(self, target: PlainTarget, *, options: dict[str, Any] | None = None, **config: Any) -> Run:
        self.allow(target)
        return await carry_out({"protocol": "plain", "target_url": target.url, **config}, **(options or {}))

    async def check(self, target: PlainTarget, secret: str | None = None, **config: Any) -> str:
        self.allow(target)
        return await check({"protocol": "plain", "target_url": target.url, **config}, secret)

    def allow(self, target: PlainTarget) -> None:
        self._settings.PERSONALQ_INTERNAL_HOSTS = [target.server.target]


@pytest.fixture
def call(settings: Settings) -> Calling:
    return Calling(settings)


async def test_post_without_template_sends_prompt_input_and_task(call: Calling) -> None:
    with PlainTarget(body=b"all done") as target:
        run = await call(target, options={"prompt": HOSTILE, "input": {"a": [1]}})
        assert (run.text, run.code, run.facts) == ("all done", "", {"status": 200})
        assert target.request.method == "POST"
        assert target.json == {"prompt": HOSTILE, "input": {"a": [1]}, "task": str(TASK)}
        assert target.request.headers["content-type"] == "application/json"


async def test_each_attempt_has_an_idempotency_key_of_its_own(call: Calling) -> None:
    with PlainTarget() as target:
        await call(target)
        assert target.request.headers["idempotency-key"] == f"{TASK}-7"


@pytest.mark.security
async def test_server_that_cannot_prove_itself_gets_no_request(settings: Settings, tmp_path: Path) -> None:
    with WireServer(answering(), tls=Authority(tmp_path).context("localhost")) as server:
        settings.PERSONALQ_INTERNAL_HOSTS = [server.target]
        run = await carry_out({"protocol": "plain", "target_url": server.url})
        assert (run.code, run.text, server.requests) == ("tls_error", "", [])


async def test_template_is_filled_value_by_value(call: Calling) -> None:
    template = {
        "text": "Do: {{prompt}}!",
        "whole": "{{ prompt }}",
        "list": ["{{input}}", {"n": "{{attempt}}", "t": "{{task}}"}],
        "mixed": "{{task}}/{{attempt}} {{input}}",
        "{{prompt}}": 1,
        "kept": [1, True, None],
    }
    with PlainTarget() as target:
        await call(target, body=template, options={"prompt": HOSTILE, "input": {"a": "ü"}})
        assert target.json == {
            "text": f"Do: {HOSTILE}!",
            "whole": HOSTILE,
            "list": [{"a": "ü"}, {"n": 7, "t": str(TASK)}],
            "mixed": f'{TASK}/7 {{"a": "ü"}}',
            "{{prompt}}": 1,
            "kept": [1, True, None],
        }


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_methods_with_a_body_send_it(method: str, call: Calling) -> None:
    with PlainTarget() as target:
        await call(target, method=method, body={"p": "{{prompt}}"})
        assert (target.request.method, target.json) == (method, {"p": "say hi"})


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_methods_without_a_body_send_none(method: str, call: Calling) -> None:
    with PlainTarget() as target:
        await call(target, method=method)
        assert (target.request.method, target.request.body) == (method, b"")
        assert "content-type" not in target.request.headers


async def test_headers_of_the_credential_win_and_are_shown_nowhere(call: Calling) -> None:
    secret = json.dumps({"Authorization": "Bearer planted-key-123", "x-tenant": "secret"})
    with PlainTarget(500, b"no, planted-key-123") as target:
        run = await call(target, headers={"X-Tenant": "plain", "X-Kind": "a"}, options={"secret": secret})
        sent = target.request.headers
        assert (sent["authorization"], sent["x-tenant"], sent["x-kind"]) == ("Bearer planted-key-123", "secret", "a")
        assert "planted" not in repr(run.failure) + str(run.facts)


async def test_system_prompt_and_earlier_turns_go_along(call: Calling) -> None:
    with PlainTarget() as target:
        messages = [Message(role="user", text="one"), Message(role="assistant", text="two")]
        await call(target, options={"prompt": "three", "system": "rules", "messages": messages})
        assert target.json["prompt"] == "rules\n\n[user]\none\n\n[assistant]\ntwo\n\n[user]\nthree"


class TestAnswers:
    @pytest.mark.parametrize("status", [200, 201, 204, 299])
    async def test_statuses_of_success(self, status: int, call: Calling) -> None:
        with PlainTarget(status, b"") as target:
            run = await call(target)
            assert (run.code, run.facts) == ("", {"status": status})

    async def test_owner_decides_which_statuses_are_success(self, call: Calling) -> None:
        with PlainTarget(409, b"there already") as target:
            assert (await call(target, success_statuses=[200, 409])).text == "there already"
        with PlainTarget(201) as target:
            assert (await call(target, success_statuses=[200, 409])).code == "bad_answer"

    @pytest.mark.parametrize(
        ("status", "code"),
        [
            (400, "provider_refused"),
            (401, "provider_auth"),
            (403, "provider_refused"),
            (404, "bad_answer"),
            (422, "provider_refused"),
            (429, "rate_limited"),
            (500, "provider_unavailable"),
            (503, "provider_unavailable"),
        ],
    )
    async def test_other_statuses_have_codes(self, status: int, code: str, call: Calling) -> None:
        with PlainTarget(status, b"because") as target:
            run = await call(target)
            assert (run.code, run.text) == (code, "")
            assert run.facts["status"] == status
            assert run.failure is not None
            assert "because" in run.failure.detail

    @pytest.mark.parametrize("status", [429, 503])
    async def test_retry_after_holds_the_agent_until_then(self, status: int, call: Calling) -> None:
        with PlainTarget(status, Retry_After="120") as target:
            run = await call(target)
        assert run.code == "rate_limited"
        assert run.failure is not None
        assert run.failure.retry_at is not None
        assert 100 < (run.failure.retry_at - datetime.now(UTC)).total_seconds() <= 120

    async def test_redirects_are_not_followed(self, call: Calling) -> None:
        with PlainTarget() as elsewhere, PlainTarget(302, Location=elsewhere.url) as target:
            run = await call(target, options={"secret": '{"Authorization": "Bearer planted-key-123"}'})
            assert run.code == "bad_answer"
            assert elsewhere.server.connections == 0

    @pytest.mark.parametrize("type_", ["image/png", "application/octet-stream", "application/zip"])
    async def test_what_is_no_text_is_refused(self, type_: str, call: Calling) -> None:
        with PlainTarget(body=b"\x89PNG", Content_Type=type_) as target:
            run = await call(target)
            assert (run.code, run.text) == ("bad_answer", "")

    @pytest.mark.parametrize(
        ("type_", "body", "text"),
        [
            ("text/plain; charset=iso-8859-1", "grün".encode("latin-1"), "grün"),
            ("text/plain; charset=utf-16", "grün".encode("utf-16"), "grün"),
            ('text/html; charset="windows-1252"', "“q”".encode("cp1252"), "“q”"),
            ("text/plain", b"gr\xfcn", "gr\ufffdn"),
            ("application/json", b'{"a":1}', '{"a":1}'),
            ("application/problem+json", b"{}", "{}"),
            ("application/json", b"not json", "not json"),
        ],
    )
    async def test_text_is_decoded_by_its_charset(self, type_: str, body: bytes, text: str, call: Calling) -> None:
        with PlainTarget(body=body, Content_Type=type_) as target:
            assert (await call(target)).text == text

    @pytest.mark.parametrize("charset", ["zlib_codec", "hex", "idna", "unicode_escape", "utf-7", "no-such", "rot13"])
    async def test_charsets_that_are_no_plain_text_are_refused(self, charset: str, call: Calling) -> None:
        with PlainTarget(Content_Type=f"text/plain; charset={charset}") as target:
            assert (await call(target)).code == "bad_answer"

    async def test_text_streams_as_it_comes_also_within_a_character(self, call: Calling) -> None:
        gate = asyncio.Event()

        async def handle(exchange: Exchange) -> None:
            await exchange.begin(200, {"Content-Type": "text/plain; charset=utf-8"})
            await exchange.chunk("first ü".encode()[:-1])
            while not gate.is_set():  # noqa: ASYNC110 - set by another loop
                await asyncio.sleep(0.005)
            await exchange.chunk("ü".encode()[-1:] + b" second")
            await exchange.end()

        with PlainTarget(handler=handle) as target:
            call.allow(target)
            config = checked_config(HttpRunner(), {"protocol": "plain", "target_url": target.url})
            pieces = HttpRunner().run(Request(task=TASK, attempt=1, prompt="p", config=config))
            assert isinstance(pieces, AsyncIterator)
            assert await asyncio.wait_for(anext(pieces), 10) == "first "
            gate.set()
            assert [piece async for piece in pieces if isinstance(piece, str)] == ["ü second"]

    async def test_cancelling_closes_the_connection(self, call: Calling) -> None:
        async def handle(exchange: Exchange) -> None:
            await exchange.begin(200, {"Content-Type": "text/plain"})
            await exchange.chunk(b"begun")
            await exchange.gone()

        with PlainTarget(handler=handle) as target:
            call.allow(target)
            config = checked_config(HttpRunner(), {"protocol": "plain", "target_url": target.url})
            task = asyncio.create_task(_collect(Request(task=TASK, attempt=1, prompt="p", config=config)))
            await asyncio.to_thread(target.server.wait_for_requests)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await asyncio.to_thread(target.server.wait_for, lambda: target.server.closed == 1, seconds=1.0)

    async def test_answer_beyond_the_limit_is_not_read_on(self, call: Calling) -> None:
        with PlainTarget(body=b"x" * 100_000) as target:
            run = await call(target, options={"output_limit_bytes": 1_024})
            # One byte too many is left for whoever keeps the output and says that it was cut.
            assert 1_024 < len(run.text) <= 1_025


async def _collect(request: Request) -> list[Any]:
    return [piece async for piece in HttpRunner().run(request)]


class TestRequeue:
    async def test_wish_to_be_asked_again_is_a_failure_that_is_tried_again(self, call: Calling) -> None:
        with PlainTarget(body={"requeue": True, "delay": 90_000, "condition": "not yet"}) as target:
            run = await call(target)
        assert (run.code, run.text, run.facts) == ("target_try_later", "", {})
        assert run.failure is not None
        assert run.failure.retry_at is not None
        assert 80 < (run.failure.retry_at - datetime.now(UTC)).total_seconds() <= 90

    @pytest.mark.parametrize(
        ("delay", "seconds"), [(10**15, 86_400), (1e300, 86_400), (0, 1), (-5_000, 1)], ids=["huge", "1e300", "0", "-5"]
    )
    async def test_delay_is_bounded(self, delay: float, seconds: int, call: Calling) -> None:
        with PlainTarget(body={"requeue": True, "delay": delay}) as target:
            run = await call(target)
        assert run.failure is not None
        assert run.failure.retry_at is not None
        assert abs(run.failure.retry_at - datetime.now(UTC) - timedelta(seconds=seconds)) < timedelta(seconds=5)

    @pytest.mark.parametrize("delay", [None, "soon", True, [1]])
    async def test_delay_that_is_none_leaves_the_pause_to_us(self, delay: Any, call: Calling) -> None:
        with PlainTarget(body={"requeue": True, "delay": delay}) as target:
            run = await call(target)
        assert run.code == "target_try_later"
        assert run.failure is not None
        assert run.failure.retry_at is None

    @pytest.mark.parametrize("body", [{"requeue": False}, {"requeue": "true"}, [{"requeue": True}], {"a": "requeue"}])
    async def test_other_answers_are_output(self, body: Any, call: Calling) -> None:
        with PlainTarget(body=body) as target:
            assert (await call(target)).text == json.dumps(body)


class TestNetwork:
    async def test_nobody_listening(self, settings: Settings) -> None:
        with PlainTarget() as target:
            name = target.server.target
        settings.PERSONALQ_INTERNAL_HOSTS = [name]
        run = await carry_out({"protocol": "plain", "target_url": f"http://{name}/"})
        assert (run.code, run.facts) == ("provider_unavailable", {"reason_of_refusal": "unreachable"})

    @pytest.mark.security
    async def test_internal_address_that_was_not_allowed_is_refused_before_any_connection(
        self, settings: Settings
    ) -> None:
        settings.PERSONALQ_INTERNAL_HOSTS = []
        with PlainTarget() as target:
            run = await carry_out({"protocol": "plain", "target_url": target.url})
            assert run.code in {"address_refused", "agent_misconfigured"}
            run = await carry_out({"protocol": "plain", "target_url": "https://169.254.169.254/latest"})
            assert run.code == "address_refused"
            assert target.server.connections == 0

    async def test_cut_answer(self, call: Calling) -> None:
        async def handle(exchange: Exchange) -> None:
            await exchange.begin(200, {"Content-Type": "text/plain"})
            await exchange.chunk(b"half")
            exchange.cut()

        with PlainTarget(handler=handle) as target:
            run = await call(target)
            assert run.code == "provider_unavailable"


class TestCheck:
    async def test_get_agents_are_asked_for_the_head(self, call: Calling) -> None:
        with PlainTarget() as target:
            told = await call.check(target, method="GET", secret='{"X-Api-Key": "key-12345"}')
            assert told == "The address answered HEAD with status 200. No prompt was sent."
            assert (target.request.method, target.request.headers["x-api-key"]) == ("HEAD", "key-12345")

    async def test_others_are_asked_for_their_options(self, call: Calling) -> None:
        with PlainTarget(405) as target:
            told = await call.check(target, body={"p": "{{prompt}}"})
            assert "asked for its options and answered with status 405" in told
            assert (target.request.method, target.request.body) == ("OPTIONS", b"")

    @pytest.mark.parametrize(("status", "code"), [(401, "provider_auth"), (500, "provider_unavailable")])
    @pytest.mark.parametrize("method", ["GET", "POST"])
    async def test_what_is_wrong_is_said(self, method: str, status: int, code: str, call: Calling) -> None:
        with PlainTarget(status) as target, pytest.raises(RunFailed) as failed:
            await call.check(target, method=method)
        assert failed.value.code == code


@pytest.mark.parametrize("length", [72, 4_000])
@pytest.mark.parametrize("part", [0, 2])
async def test_beginning_of_a_secret_where_a_long_error_is_cut_is_not_told(
    length: int, part: int, call: Calling
) -> None:
    secret = "planted-".ljust(length, "7")
    body = b"." * (length * part // 4) + f"{secret}\n".encode() * (300_000 // length)
    with PlainTarget(500, body) as target, redaction.knows(secret):
        run = await call(target)
    assert run.failure is not None
    assert run.failure.detail.startswith("HTTP 500: ")
    assert secret[: length // 4] not in run.failure.detail
