"""What coding programs print is understood: their text, figures and failures; and nothing they print breaks it."""

import json
import sys
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from personalq.lib.commands import Command, OutputFormat
from tasks.failures import FAILURES
from tasks.runners.formats import FORMATS, verdict_on
from tasks.runners.formats.lines import MOST_LINE, JsonLines, money
from tasks.spending.usage import Usage
from tests.tasks.runners.support import Run, carry_out

PROGRAMS = Path(__file__).parent / "programs"
CALLS = {
    "claude": ("-p", "--output-format", "stream-json", "--verbose"),
    "codex": ("exec", "--json", "-"),
    "cursor": ("-p", "--output-format", "stream-json"),
}


@pytest.fixture
def play(settings: Settings) -> Any:
    """Runs the stand-in program with a recording, through the command runner."""

    async def play(recording: str, output: OutputFormat | None = None, **environment: object) -> Run:
        program = recording.split("-", maxsplit=1)[0]
        program = program if program in CALLS else "claude"
        spoken = output or program
        argv = (sys.executable, "-I", "-S", str(PROGRAMS / "stand_in.py"), program, *CALLS[program])
        env = {"RECORDING": recording, **{name: str(value) for name, value in environment.items()}}
        settings.PERSONALQ_COMMANDS = {"program": Command(argv=argv, output=spoken, env=env)}  # type: ignore[arg-type]
        return await carry_out("List the files")

    return play


class TestClaude:
    @pytest.mark.parametrize("piece", [1, 7, 100_000])
    async def test_text_figures_and_session_are_taken(self, play: Any, piece: int) -> None:
        run = await play("claude-success.jsonl", PIECE=piece)
        assert run.text == "I'll write the file — “jetzt”.\n\nDone: report.txt says hello."
        assert run.outcome is not None
        assert run.outcome.usage == Usage(
            tokens_in=28_561, tokens_out=131, tokens_cached=27_200, cost=Decimal("0.012734")
        )
        assert run.facts == {
            "session_id": "5d4ad58a-9e34-4e63-8a41-7a3f0a4b1c11",
            "model": "claude-sonnet-4-5-20250929",
            "turns": 2,
            "exit_code": 0,
        }

    async def test_progress_counts_each_message_once(self, play: Any) -> None:
        run = await play("claude-success.jsonl")
        progress = [(usage.tokens_in, usage.tokens_out) for usage in run.usages]
        assert progress == [(14_204, 9), (14_205, 10), (28_561, 22), (28_561, 131)]

    async def test_streamed_message_is_not_said_twice(self, play: Any) -> None:
        assert (await play("claude-partial.jsonl")).text == "Hello, world."

    async def test_usage_limit_that_calls_itself_a_success_holds_the_agent(self, play: Any) -> None:
        run = await play("claude-usage-limit.jsonl")
        assert run.code == "usage_limited"
        assert run.failure.retry_at == datetime(2100, 1, 1, tzinfo=UTC)

    async def test_refused_key_is_no_success(self, play: Any) -> None:
        run = await play("claude-auth.jsonl", EXIT=1)
        assert run.code == "provider_auth"
        assert "Invalid API key" in run.detail

    async def test_end_of_turns_is_a_failure_with_its_usage(self, play: Any) -> None:
        run = await play("claude-max-turns.jsonl")
        assert (run.code, run.facts["reason"], run.facts["turns"]) == ("target_failed", "error_max_turns", 3)
        assert run.failure.usage == Usage(tokens_in=130, tokens_out=15, tokens_cached=100, cost=Decimal("0.02"))

    async def test_cut_output_is_no_success(self, play: Any) -> None:
        run = await play("claude-cut.jsonl")
        assert run.code == "bad_answer"
        assert run.text.startswith("I'll write the file")
        assert run.failure.usage.tokens_in == 28_561

    async def test_exit_code_counts_when_it_did_not_say_more(self, play: Any) -> None:
        run = await play("claude-cut.jsonl", EXIT=3)
        assert (run.code, run.facts["exit_code"]) == ("command_failed", 3)

    @pytest.mark.parametrize(
        ("error", "status", "words", "code"),
        [
            ("", 401, "x", "provider_auth"),
            ("oauth_org_not_allowed", 403, "disabled", "provider_auth"),
            ("", 529, "Overloaded", "provider_overloaded"),
            ("", 500, "Internal", "provider_unavailable"),
            ("server_error", None, "x", "provider_unavailable"),
            ("", None, "API Error: 400 prompt is too long: 210000 tokens", "context_too_long"),
            ("", None, "API Error: model: claude-9 does not exist", "model_not_found"),
            ("rate_limit", 429, "slow down", "rate_limited"),
            ("", None, "who knows", "target_failed"),
        ],
    )
    def test_error_becomes_a_code(self, error: str, status: int | None, words: str, code: str) -> None:
        form = FORMATS["claude"]()
        events: list[dict[str, Any]] = [
            {"type": "assistant", "message": {}, "error": error},
            {"type": "result", "subtype": "success", "is_error": True, "api_error_status": status, "result": words},
        ]
        list(form.read("".join(json.dumps(event) + "\n" for event in events)))
        assert form.verdict is not None
        assert form.verdict.code == code
        assert code in FAILURES


class TestCodex:
    async def test_text_figures_and_session_are_taken(self, play: Any) -> None:
        run = await play("codex-success.jsonl")
        assert run.text == "There is a README.\n\nNothing else; your prompt had 14 bytes."
        assert run.outcome is not None
        assert run.outcome.usage == Usage(tokens_in=24_763, tokens_out=122, tokens_cached=24_448)
        assert run.facts == {"session_id": "019a77e4-0716-7152-8396-b642e26c3e20", "exit_code": 0}

    async def test_usage_limit_holds_the_agent_until_it_ends(self, play: Any) -> None:
        before = datetime.now(UTC)
        run = await play("codex-usage-limit.jsonl", EXIT=1)
        assert run.code == "usage_limited"
        assert timedelta(0) <= run.failure.retry_at - before - timedelta(hours=2, minutes=5) < timedelta(seconds=15)

    async def test_refused_key_is_told_as_one(self, play: Any) -> None:
        assert (await play("codex-auth.jsonl", EXIT=1)).code == "provider_auth"


class TestCursor:
    async def test_text_figures_and_session_are_taken(self, play: Any) -> None:
        run = await play("cursor-success.jsonl")
        assert run.text == "Let me look.\n\nOne file: README.md"
        assert run.outcome is not None
        assert run.outcome.usage == Usage(tokens_in=9912, tokens_out=64, tokens_cached=9000)
        assert run.facts["session_id"] == "c6b62c6f-7ead-4fd6-9922-e952131177ff"

    async def test_parts_are_not_said_twice(self, play: Any) -> None:
        assert (await play("cursor-partial.jsonl")).text == "Let me look.\n\nDone."

    async def test_missing_sign_in_is_read_from_standard_error(self, play: Any) -> None:
        complaint = "Error: Authentication required. Please run 'agent login' first, or set CURSOR_API_KEY."
        run = await play("", "cursor", COMPLAINT=complaint, EXIT=1)
        assert run.code == "provider_auth"


class TestOddities:
    async def test_strange_values_are_tolerated_and_counted(self, play: Any) -> None:
        run = await play("odd.jsonl", "claude")
        assert run.text == 'Warning: something that is no JSON\n{"no": "type"}\n[1, 2]\n\nfine\ufffd'
        assert run.outcome is not None
        assert run.outcome.usage == Usage(tokens_in=7, tokens_out=0)
        assert (run.facts["lines_not_understood"], run.facts["events_unknown"]) == (3, 1)

    async def test_plain_text_is_shown_and_said_to_be_that(self, play: Any, settings: Settings) -> None:
        settings.PERSONALQ_COMMANDS = {"program": Command(argv=("/bin/cat",), output="codex")}
        run = await carry_out("just text\nin two lines")
        assert run.text == "just text\nin two lines\n"
        assert run.facts == {"lines_not_understood": 2, "output_read_as": "text", "exit_code": 0}

    @pytest.mark.security
    async def test_giant_line_is_passed_over_in_little_memory(self, play: Any) -> None:
        run = await play("claude-success.jsonl", SIZE=3 * MOST_LINE, PIECE=65_536)
        assert run.text.endswith("Done: report.txt says hello.")
        assert run.facts["lines_too_long"] == 1

    def test_giant_line_is_not_kept(self) -> None:
        form = FORMATS["claude"]()
        for _ in range(100):
            assert list(form.read("x" * 65_536)) == []
        assert isinstance(form, JsonLines)
        assert "".join(form._pieces) == ""

    async def test_text_is_cut_at_the_agents_limit_and_not_the_raw_output(self, play: Any, settings: Settings) -> None:
        await play("claude-success.jsonl")
        run = await carry_out("x", output_limit_bytes=100)
        assert run.code == ""
        run = await carry_out("x", output_limit_bytes=20)
        assert (run.code, run.text) == ("output_too_large", "I'll write the file ")
        assert run.failure is not None
        assert run.failure.usage is not None

    def test_deep_and_wild_json_breaks_nothing(self) -> None:
        for form in (make() for make in FORMATS.values()):
            wild = [
                '{"type":' + "[" * 100_000,
                '{"type":"result","num_turns":' + "9" * 10_000 + "}",
                '{"type":"\\ud800"}',
            ]
            for line in wild:
                list(form.read(line + "\n"))
            list(form.finish())

    @given(st.lists(st.text(max_size=60), max_size=8))
    def test_no_text_breaks_a_format(self, pieces: list[str]) -> None:
        for form in (make() for make in FORMATS.values()):
            for piece in pieces:
                list(form.read(piece))
            list(form.finish())

    @given(
        st.sampled_from(
            ["assistant", "result", "stream_event", "item.completed", "turn.completed", "turn.failed", "error"]
        ),
        st.dictionaries(
            st.sampled_from(["message", "event", "usage", "item", "error", "result", "subtype", "is_error", "errors"]),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
                lambda inner: (
                    st.lists(inner, max_size=3)
                    | st.dictionaries(
                        st.sampled_from(["type", "content", "text", "usage", "id", "delta"]), inner, max_size=4
                    )
                ),
                max_leaves=8,
            ),
        ),
    )
    def test_no_event_breaks_a_format(self, kind: str, members: dict[str, Any]) -> None:
        line = json.dumps({"type": kind, **members})
        for form in (make() for make in FORMATS.values()):
            list(form.read(f"{line}\n{line}\n"))
            list(form.finish())

    def test_reading_takes_time_in_proportion_to_the_length(self) -> None:
        def seconds(lines: int) -> float:
            form = FORMATS["cursor"]()
            event = json.dumps(
                {"type": "assistant", "timestamp_ms": 1, "message": {"content": [{"type": "text", "text": "x"}]}}
            )
            begin = time.process_time()
            for _ in range(lines):
                list(form.read(event + "\n"))
            return time.process_time() - begin

        # Twenty times as much; were it the square, it would be four hundred.
        assert seconds(20_000) < 150 * max(seconds(1000), 0.005)

    @pytest.mark.parametrize("value", [None, "1", -1, float("inf"), float("nan"), 1e30, True, [1]])
    def test_what_is_no_amount_of_money_is_none(self, value: object) -> None:
        assert money(value) is None

    def test_words_without_hint_keep_the_given_code(self) -> None:
        assert verdict_on("it broke", otherwise="command_failed").code == "command_failed"
