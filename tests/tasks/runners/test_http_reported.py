"""What cursor-runner says of an execution, in all the forms it was recorded in."""

from decimal import Decimal
from typing import Any

import pytest

from personalq.lib.errors import InvalidInput
from tasks.runners.web.reported import NOTHING_SAID, read
from tasks.runners.web.terminal import plain_text
from tests.wire.cursor_runner import succeeded, timed_out

pytestmark = pytest.mark.security


def refused_field(**body: Any) -> str:
    with pytest.raises(InvalidInput) as refused:
        read(body)
    (error,) = refused.value.errors
    return error.field


class TestSuccess:
    @pytest.mark.parametrize("word", [True, "true", 1, "1"], ids=repr)
    def test_words_that_mean_yes(self, word: Any) -> None:
        assert read({"success": word}).success is True

    @pytest.mark.parametrize("word", [False, "false", 0, "0"], ids=repr)
    def test_words_that_mean_no(self, word: Any) -> None:
        assert read({"success": word}).success is False

    @pytest.mark.parametrize(
        "word", [None, "", "True", "TRUE", "yes", "on", 2, -1, 1.0, 0.0, "01", [], [True], {}, "true "], ids=repr
    )
    def test_everything_else_is_refused(self, word: Any) -> None:
        assert refused_field(success=word) == "success"

    def test_it_has_to_be_there(self) -> None:
        assert refused_field(output="x") == "success"


class TestVerdict:
    def test_output_with_exit_code_0(self) -> None:
        report = read(succeeded("hello"))
        assert report.failure() is None
        assert (report.output, report.told) == ("hello", {"exit_code": 0, "duration": "16ms"})

    def test_exit_code_that_came_with_success(self) -> None:
        failure = read(succeeded("partial", exitCode=3, error="fatal: model refused")).failure()
        assert failure is not None
        assert (failure.code, failure.detail) == ("target_failed", "fatal: model refused")
        assert failure.facts == {"exit_code": 3, "duration": "16ms"}

    @pytest.mark.parametrize("code", [1, -9, 137])
    def test_exit_code_alone_is_a_failure(self, code: int) -> None:
        assert read(succeeded("all is well", exitCode=code)).failure() is not None

    @pytest.mark.parametrize("output", ["", " \n", "\x1b[0m", None])
    def test_kill_that_looks_like_success_but_for_its_silence(self, output: str | None) -> None:
        failure = read(succeeded(output)).failure()  # type: ignore[arg-type]
        assert failure is not None
        assert (failure.code, failure.detail) == ("target_failed", NOTHING_SAID)

    def test_timeout(self) -> None:
        failure = read(timed_out()).failure()
        assert failure is not None
        assert (failure.detail, failure.facts) == ("Command timeout after 4000ms", {})

    def test_standard_error_is_a_failure_unless_the_owner_tolerates_it(self) -> None:
        report = read(succeeded("ok", error="warning: deprecated flag"))
        assert report.failure() is not None
        assert report.failure(tolerates_stderr=True) is None
        assert report.told == {"exit_code": 0, "duration": "16ms"}

    @pytest.mark.parametrize("changes", [{"exitCode": 1}, {"exitCode": None}, {"output": ""}, {"success": False}])
    def test_tolerance_needs_output_and_exit_code_0(self, changes: dict[str, Any]) -> None:
        assert read(succeeded("ok", error="warning") | changes).failure(tolerates_stderr=True) is not None

    def test_limit_of_a_provider_is_understood(self) -> None:
        failure = read({"success": False, "error": "You've hit your usage limit. Try again in 3 hours"}).failure()
        assert failure is not None
        assert failure.code == "usage_limited"
        assert failure.retry_at is not None

    def test_secrets_in_errors_are_redacted(self) -> None:
        failure = read({"success": False, "error": "token=sk-abcdefghijklmnop in /root/.cursor/config.json"}).failure()
        assert failure is not None
        assert "abcdefgh" not in repr(failure.facts) + failure.detail
        assert "/root" not in repr(failure.facts)


class TestFields:
    @pytest.mark.parametrize("value", [-128, -1, 0, 255])
    def test_exit_codes_within_the_range(self, value: int) -> None:
        assert read({"success": False, "exitCode": value}).exit_code == value

    @pytest.mark.parametrize("value", [-129, 256, 1.0, True, "3", [0], {}], ids=repr)
    def test_exit_codes_outside_of_it(self, value: Any) -> None:
        assert refused_field(success=False, exitCode=value) == "exitCode"

    @pytest.mark.parametrize("name", ["iterations", "maxIterations"])
    @pytest.mark.parametrize("value", [-1, 2**31, 1.5, "2", True], ids=repr)
    def test_iterations_outside_of_the_range(self, name: str, value: Any) -> None:
        assert refused_field(success=True, **{name: value}) == name

    def test_iterations_become_facts(self) -> None:
        report = read(succeeded(iterations=0, max_iterations=25, reviewJustification="fine", branch_name="main"))
        facts = {"iterations": 0, "max_iterations": 25, "review": "fine", "branch": "main"}
        assert report.told == {**facts, "exit_code": 0, "duration": "16ms"}

    @pytest.mark.parametrize(
        ("camel", "snake", "one", "other"),
        [
            ("requestId", "request_id", "a", "b"),
            ("exitCode", "exit_code", 0, 1),
            ("maxIterations", "max_iterations", 1, 2),
            ("branchName", "branch_name", "a", "b"),
            ("reviewJustification", "review_justification", "a", "b"),
            ("exitCode", "exit_code", 1, True),
        ],
    )
    def test_two_names_for_one_thing_must_agree(self, camel: str, snake: str, one: Any, other: Any) -> None:
        assert refused_field(success=True, **{camel: one, snake: other}) == camel
        assert refused_field(success=True, **{camel: one, snake: None}) == camel
        assert refused_field(success=True, **{camel: None, snake: one}) == camel
        read({"success": True, camel: one, snake: one})

    @pytest.mark.parametrize(
        ("camel", "snake"),
        [("exitCode", "exit_code"), ("maxIterations", "max_iterations"), ("branchName", "branch_name")],
    )
    def test_null_says_as_much_as_nothing(self, camel: str, snake: str) -> None:
        read({"success": True, camel: None, snake: None})
        read({"success": True, camel: None})

    @pytest.mark.parametrize("name", ["requestId", "request_id"])
    @pytest.mark.parametrize("value", [None, 0, -1, 1.5, True, [], {}, ["x"], {"a": 1}, "x" * 201], ids=repr)
    def test_id_of_the_request_is_a_short_text_or_not_there(self, name: str, value: Any) -> None:
        """A-135."""
        assert refused_field(success=True, **{name: value}) == "requestId"

    def test_either_name_will_do(self) -> None:
        assert read({"success": True, "request_id": "r", "exit_code": 2}).exit_code == 2

    @pytest.mark.parametrize("name", ["output", "error", "duration", "requestId"])
    @pytest.mark.parametrize("value", [5, ["x"], {"a": 1}, True], ids=repr)
    def test_texts_have_to_be_text(self, name: str, value: Any) -> None:
        assert refused_field(success=True, **{name: value}) == name

    def test_unknown_members_are_left_alone(self) -> None:
        assert read(succeeded(command=["--print"], somethingNew={"a": 1})).output == "done"

    def test_usage(self) -> None:
        usage = read(succeeded(usage={"inputTokens": 5, "output_tokens": 7, "totalCostUsd": 0.25})).usage
        assert usage is not None
        assert (usage.tokens_in, usage.tokens_out, usage.cost) == (5, 7, Decimal("0.25"))

    @pytest.mark.parametrize(
        "usage", [5, [], {"inputTokens": -1}, {"outputTokens": "5"}, {"totalCostUsd": -1}, {"totalCostUsd": "1"}]
    )
    def test_usage_that_cannot_be(self, usage: Any) -> None:
        assert refused_field(success=True, usage=usage)


class TestTerminalText:
    @pytest.mark.parametrize(
        ("said", "plain"),
        [
            ("plain ü 🎉\n\ttext", "plain ü 🎉\n\ttext"),
            ("\x1b[1;31mred\x1b[0m", "red"),
            ("\x9b1;31mred\x9b0m", "red"),
            ("\x1b]0;title\x07rest", "rest"),
            ("\x1b]8;;https://x.example\x1b\\link\x1b]8;;\x1b\\", "link"),
            ("\x9d0;title\x9crest", "rest"),
            ("\x1bPsixel\x1b\\a\x90q\x9cb\x1b_apc\x07c\x1b^pm\x1b\\d", "abcd"),
            ("\x1b(B\x1b=\x1b7a\x1bM", "a"),
            ("a\x1b[31", "a"),
            ("a\x1b]0;never ended", "a"),
            ("a\x1b", "a"),
            ("\x1b[?25l\x1b[2K\x1b[1G1%\r100%\r\n", "1%\n100%\n"),
            ("a\x00\x07\x08\x7f\x85b", "ab"),
            ("\x1b]0;a\x1bXb\x07c", "c"),
        ],
    )
    def test_nothing_is_left_for_the_terminal(self, said: str, plain: str) -> None:
        assert plain_text(said) == plain

    @pytest.mark.parametrize(
        "piece", ["\x1b[", "\x1b]", "\x1b[1;", "\x1b]\x1b", "\x1b", "\x9b", "\x1b[ ", "\x1bP\x1bP"]
    )
    def test_long_hostile_text_takes_no_long_time(self, piece: str) -> None:
        assert "\x1b" not in plain_text(piece * (2_000_000 // len(piece)))
