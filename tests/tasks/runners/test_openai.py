"""What is OpenAI's alone, and what servers that speak alike do differently."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from accounts.credentials import NotTestable
from tasks.runners.models import base_urls, keys
from tasks.runners.models.config import OpenAIConfig
from tasks.spending.usage import Usage
from tests.tasks.runners.asking import KEY, OPENAI, ask, check_of, serving
from tests.wire import openai_server as wire
from tests.wire.server import answering


async def test_question_is_what_the_api_expects(settings: Settings) -> None:
    with serving(OPENAI, wire.streaming(wire.whole("ok")), settings) as server:
        heard = await ask(OPENAI, server, prompt="Say hello.", config={"temperature": 0.5})
        body = wire.asked(server.requests[0])
    assert heard.code == "ok"
    assert body == {
        "model": wire.MODEL,
        "messages": [{"role": "user", "content": "Say hello."}],
        "temperature": 0.5,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


class TestTokenLimit:
    async def sent(self, settings: Settings, config: dict[str, Any], *, is_openai: bool = False) -> dict[str, Any]:
        with serving(OPENAI, wire.streaming(wire.whole("ok")), settings) as server:
            with pytest.MonkeyPatch.context() as patch:
                if is_openai:
                    patch.setattr(base_urls, "OPENAI", server.url + "/v1")
                await ask(OPENAI, server, config=config)
            body = wire.asked(server.requests[0])
        return {name: value for name, value in body.items() if name.startswith("max_")}

    async def test_other_servers_get_the_old_name(self, settings: Settings) -> None:
        assert await self.sent(settings, {"max_tokens": 9}) == {"max_tokens": 9}

    async def test_openai_gets_its_new_name(self, settings: Settings) -> None:
        assert await self.sent(settings, {"max_tokens": 9}, is_openai=True) == {"max_completion_tokens": 9}

    async def test_agent_may_choose_the_name(self, settings: Settings) -> None:
        chosen = {"max_tokens": 9, "token_parameter": "max_completion_tokens"}
        assert await self.sent(settings, chosen) == {"max_completion_tokens": 9}

    async def test_without_a_limit_the_server_decides(self, settings: Settings) -> None:
        assert await self.sent(settings, {}) == {}


class TestOtherServers:
    async def test_without_a_key_none_is_sent(self, settings: Settings) -> None:
        with serving(OPENAI, wire.streaming(wire.whole("ok")), settings) as server:
            heard = await ask(OPENAI, server, secret=None)
            headers = server.requests[0].headers
        assert heard.code == "ok"
        assert "authorization" not in headers

    async def test_check_works_without_a_key(self, settings: Settings) -> None:
        with serving(OPENAI, answering(200, b"{}", Content_Type="application/json"), settings) as server:
            assert await OPENAI.runner.check(check_of(OPENAI, server, secret=None))

    async def test_server_that_does_not_count_is_asked_without_it(self, settings: Settings) -> None:
        body = wire.start() + wire.text("x" * 9) + wire.stopped() + wire.DONE
        with serving(OPENAI, wire.streaming(body, knows_stream_options=False), settings) as server:
            heard = await ask(OPENAI, server, prompt="p" * 40)
            asked = [set(wire.asked(request)) for request in server.requests]
        assert (heard.code, heard.text) == ("ok", "x" * 9)
        assert heard.usage == Usage(tokens_in=10, tokens_out=3)
        assert heard.facts["usage_estimated"] is True
        assert [("stream_options" in names) for names in asked] == [True, False]

    async def test_other_refusals_are_not_asked_again(self, settings: Settings) -> None:
        with serving(
            OPENAI, wire.refusing(400, "invalid_request_error", "temperature is too high"), settings
        ) as server:
            assert (await ask(OPENAI, server)).code == "provider_refused"
            assert len(server.requests) == 1

    async def test_last_line_may_be_missing(self, settings: Settings) -> None:
        body = wire.start() + wire.text("a") + wire.stopped() + wire.usage(tokens_out=4)
        with serving(OPENAI, wire.streaming(body), settings) as server:
            heard = await ask(OPENAI, server)
        assert (heard.code, heard.usage.tokens_out) == ("ok", 4)

    async def test_whole_answer_may_come_as_one_event(self, settings: Settings) -> None:
        long = "word " * 100_000
        body = wire.chunk({"role": "assistant", "content": long}, "stop") + wire.usage() + wire.DONE
        with serving(OPENAI, wire.streaming(body), settings) as server:
            heard = await ask(OPENAI, server)
        assert (heard.code, heard.text) == ("ok", long)

    @pytest.mark.parametrize(
        ("status", "body", "code"),
        [
            (404, {"error": "model 'llama9' not found, try pulling it first"}, "model_not_found"),
            (400, {"object": "error", "message": "maximum context length is 8192", "code": 400}, "context_too_long"),
            (422, {"detail": [{"msg": "field required"}]}, "provider_refused"),
            (404, {"detail": "Not Found"}, "model_not_found"),
        ],
    )
    async def test_their_errors_look_different(
        self, settings: Settings, status: int, body: dict[str, Any], code: str
    ) -> None:
        with serving(OPENAI, answering(status, json.dumps(body).encode()), settings) as server:
            assert (await ask(OPENAI, server)).code == code


class TestRefusals:
    async def test_refusal_is_shown_and_is_no_good_end(self, settings: Settings) -> None:
        body = wire.start() + wire.chunk({"refusal": "I cannot."}) + wire.stopped() + wire.usage() + wire.DONE
        with serving(OPENAI, wire.streaming(body), settings) as server:
            heard = await ask(OPENAI, server)
        assert (heard.code, heard.text) == ("content_refused", "I cannot.")

    @pytest.mark.parametrize(
        ("status", "kind", "name", "code"),
        [
            (401, "invalid_request_error", "invalid_api_key", "provider_auth"),
            (404, "invalid_request_error", "model_not_found", "model_not_found"),
            (400, "invalid_request_error", "context_length_exceeded", "context_too_long"),
            (400, "invalid_request_error", "content_filter", "content_refused"),
            (429, "insufficient_quota", "insufficient_quota", "usage_limited"),
            (429, "requests", "rate_limit_exceeded", "rate_limited"),
            (503, "server_error", "slow_down", "provider_overloaded"),
        ],
    )
    async def test_openais_own_errors(self, settings: Settings, status: int, kind: str, name: str, code: str) -> None:
        with serving(OPENAI, wire.refusing(status, kind, code=name), settings) as server:
            assert (await ask(OPENAI, server)).code == code

    async def test_reset_of_what_is_used_up_ends_the_hold(self, settings: Settings) -> None:
        refusing = wire.refusing(
            429,
            "tokens",
            code="rate_limit_exceeded",
            x_ratelimit_remaining_requests="9",
            x_ratelimit_reset_requests="2h",
            x_ratelimit_remaining_tokens="0",
            x_ratelimit_reset_tokens="6m0s",
        )
        with serving(OPENAI, refusing, settings) as server:
            heard = await ask(OPENAI, server)
        assert heard.failure is not None
        assert heard.failure.retry_at is not None
        left = (heard.failure.retry_at - datetime.now(UTC)) / timedelta(minutes=1)
        assert heard.code == "rate_limited"
        assert left == pytest.approx(6, abs=0.2)


class TestKeys:
    async def test_key_is_tried_by_listing_models(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        listed = answering(200, b'{"object": "list", "data": []}', Content_Type="application/json")
        with serving(OPENAI, listed, settings) as server:
            monkeypatch.setattr(OpenAIConfig, "own_base_url", server.url + "/v1")
            assert (await keys.try_openai_key(KEY)).is_ok
            assert [(request.method, request.path) for request in server.requests] == [("GET", "/v1/models")]

    @pytest.mark.security
    async def test_key_of_another_server_is_not_sent_to_openai(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with serving(OPENAI, answering(), settings) as server:
            monkeypatch.setattr(OpenAIConfig, "own_base_url", server.url + "/v1")
            with pytest.raises(NotTestable):
                await keys.try_openai_key("gateway-key-1234567890")
            assert server.connections == 0
