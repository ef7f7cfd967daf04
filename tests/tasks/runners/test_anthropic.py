"""What is Claude's alone: three kinds of input tokens, thinking, its own limits and its own stop reasons."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from tasks.runners.models import keys
from tasks.runners.models.config import AnthropicConfig
from tasks.spending.usage import Usage
from tests.tasks.runners.asking import ANTHROPIC, KEY, ask, serving
from tests.wire import anthropic_server as wire
from tests.wire.server import answering


async def test_question_is_what_the_api_expects(settings: Settings) -> None:
    with serving(ANTHROPIC, wire.streaming(wire.whole("ok")), settings) as server:
        heard = await ask(ANTHROPIC, server, prompt="Say hello.")
        body = wire.asked(server.requests[0])
    assert heard.code == "ok"
    assert body == {
        "model": wire.MODEL,
        "max_tokens": 16_384,
        "messages": [{"role": "user", "content": "Say hello."}],
        "stream": True,
    }


async def test_all_input_is_counted_and_what_was_read_from_the_cache_is_told(settings: Settings) -> None:
    body = wire.start(tokens_in=10, cached=20, written=5) + wire.text("a") + wire.stopped(tokens_out=3) + wire.STOP
    with serving(ANTHROPIC, wire.streaming(body), settings) as server:
        heard = await ask(ANTHROPIC, server)
    assert heard.usage == Usage(tokens_in=35, tokens_out=3, tokens_cached=20)


async def test_input_is_told_at_once(settings: Settings) -> None:
    with serving(ANTHROPIC, wire.streaming(wire.whole("a", tokens_in=77)), settings) as server:
        heard = await ask(ANTHROPIC, server)
    assert [usage.tokens_in for usage in heard.progress] == [3, 77, 77]


async def test_thinking_is_no_output(settings: Settings) -> None:
    thinking = wire.event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "hm"})
    signed = wire.event("content_block_delta", index=0, delta={"type": "signature_delta", "signature": "x"})
    body = wire.start() + thinking + signed + wire.text("out") + wire.stopped() + wire.STOP
    with serving(ANTHROPIC, wire.streaming(body), settings) as server:
        heard = await ask(ANTHROPIC, server)
    assert (heard.code, heard.text) == ("ok", "out")


async def test_text_at_the_start_of_a_block_is_output(settings: Settings) -> None:
    block = wire.event("content_block_start", index=1, content_block={"type": "text", "text": "begin "})
    body = wire.start() + block + wire.text("end") + wire.stopped() + wire.STOP
    with serving(ANTHROPIC, wire.streaming(body), settings) as server:
        assert (await ask(ANTHROPIC, server)).text == "begin end"


async def test_events_that_are_not_known_yet_are_passed_over(settings: Settings) -> None:
    new = wire.event("something_new", index=5) + b": a comment\n\n" + wire.PING
    body = wire.start() + new + wire.text("a") + wire.stopped() + wire.STOP
    with serving(ANTHROPIC, wire.streaming(body), settings) as server:
        heard = await ask(ANTHROPIC, server)
    assert (heard.code, heard.text) == ("ok", "a")


async def test_counts_that_are_missing_are_estimated(settings: Settings) -> None:
    ended = wire.event("message_delta", delta={"stop_reason": "end_turn"})
    with serving(ANTHROPIC, wire.streaming(wire.start() + wire.text("x" * 9) + ended + wire.STOP), settings) as server:
        heard = await ask(ANTHROPIC, server)
    assert (heard.code, heard.usage.tokens_in, heard.usage.tokens_out) == ("ok", 25, 3)
    assert heard.facts["usage_estimated"] is True


async def test_answer_is_whole_only_with_its_last_event(settings: Settings) -> None:
    body = wire.start() + wire.text("a") + wire.stopped()
    with serving(ANTHROPIC, wire.streaming(body), settings) as server:
        heard = await ask(ANTHROPIC, server)
    assert (heard.code, heard.usage.tokens_out) == ("provider_unavailable", 15)


async def test_reset_of_what_is_used_up_ends_the_hold(settings: Settings) -> None:
    end = datetime.now(UTC) + timedelta(minutes=7)
    refusing = wire.refusing(
        429,
        "rate_limit_error",
        anthropic_ratelimit_requests_remaining="5",
        anthropic_ratelimit_requests_reset=(end + timedelta(hours=1)).isoformat(),
        anthropic_ratelimit_output_tokens_remaining="0",
        anthropic_ratelimit_output_tokens_reset=end.isoformat(),
    )
    with serving(ANTHROPIC, refusing, settings) as server:
        heard = await ask(ANTHROPIC, server)
    assert (heard.code, heard.failure and heard.failure.retry_at) == ("rate_limited", end)


async def test_limit_within_an_answer_ends_by_the_answers_own_headers(settings: Settings) -> None:
    end = datetime.now(UTC) + timedelta(minutes=7)
    headers: dict[str, Any] = {
        "anthropic-ratelimit-tokens-remaining": "0",
        "anthropic-ratelimit-tokens-reset": end.isoformat(),
    }
    body = wire.start() + wire.failed("rate_limit_error")
    with serving(ANTHROPIC, wire.streaming(body, **headers), settings) as server:
        heard = await ask(ANTHROPIC, server)
    assert (heard.code, heard.failure and heard.failure.retry_at) == ("rate_limited", end)


@pytest.mark.parametrize(
    ("status", "kind", "words", "code"),
    [
        (400, "invalid_request_error", "Your credit balance is too low to access the API.", "usage_limited"),
        (402, "billing_error", "no", "usage_limited"),
        (403, "permission_error", "no", "provider_auth"),
        (404, "not_found_error", "model: claude-9", "model_not_found"),
        (413, "request_too_large", "no", "context_too_long"),
        (529, "overloaded_error", "Overloaded", "provider_overloaded"),
    ],
)
async def test_anthropics_own_errors(settings: Settings, status: int, kind: str, words: str, code: str) -> None:
    with serving(ANTHROPIC, wire.refusing(status, kind, words), settings) as server:
        assert (await ask(ANTHROPIC, server)).code == code


async def test_key_is_tried_by_listing_models(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = answering(200, b'{"data": [], "has_more": false}', Content_Type="application/json")
    with serving(ANTHROPIC, listed, settings) as server:
        monkeypatch.setattr(AnthropicConfig, "own_base_url", server.url)
        assert (await keys.try_anthropic_key(KEY)).is_ok
        assert [(request.method, request.path) for request in server.requests] == [("GET", "/v1/models")]
        assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


async def test_key_that_is_refused_is_told(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(ANTHROPIC, wire.refusing(401, "authentication_error"), settings) as server:
        monkeypatch.setattr(AnthropicConfig, "own_base_url", server.url)
        result = await keys.try_anthropic_key(KEY)
    assert (result.is_ok, result.code) == (False, "provider_auth")
