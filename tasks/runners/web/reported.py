"""What cursor-runner says of an execution: in the answer of a synchronous call, or in a callback.

Its older and its present version name the same things in two ways, and both tell of `success` when a program failed.
Source: the recorded answers and callbacks of both versions.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from personalq.lib.errors import InvalidInput
from personalq.lib.redaction import redact
from tasks.runners.base import RunFailed
from tasks.runners.provider_limits import limit_in_text
from tasks.runners.web.terminal import plain_text
from tasks.spending.usage import Usage

TOLD_CHARACTERS: Final = 500
DETAIL_CHARACTERS: Final = 8192
ID_LENGTH: Final = 200
LARGEST_INTEGER: Final = 2**31 - 1
LARGEST_COST: Final = 99_999
LOWEST_EXIT_CODE, HIGHEST_EXIT_CODE = -128, 255
NOTHING_SAID: Final = "The program printed nothing, as one does that was killed."
# By `repr`, because 1 == True in Python and "1" is another thing than 1.
_TRUTHS: Final = {repr(word): True for word in (True, "true", 1, "1")} | {
    repr(word): False for word in (False, "false", 0, "0")
}


@dataclass(frozen=True, kw_only=True)
class Reported:
    """One report: checked, in our words, without escape sequences."""

    success: bool
    request_id: str | None = None
    output: str = ""
    error: str = ""
    exit_code: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    usage: Usage | None = None

    def failure(self, *, tolerates_stderr: bool = False) -> RunFailed | None:
        """Why the work failed; None when it went well.

        `success` alone does not count: a program that ended with an exit code or was killed has it, too. Whatever was
        written to standard error stands in `error`; `tolerates_stderr` lets that pass beside output and exit code 0.
        The text is for operators alone: it may name hosts, addresses and paths of the machine that the runner is on.
        """
        is_silent = not self.error or (tolerates_stderr and self.exit_code == 0)
        if self.success and not self.exit_code and is_silent and self.output.strip():
            return None
        limit = limit_in_text(self.error, now=datetime.now(UTC)) if self.error else None
        code, ends_at = (limit.code, limit.ends_at) if limit else ("target_failed", None)
        detail = redact(self.error or NOTHING_SAID)[-DETAIL_CHARACTERS:]
        return RunFailed(code, detail, self.told, retry_at=ends_at, usage=self.usage)

    @property
    def told(self) -> dict[str, Any]:
        """The facts for the event that ends the attempt, which owners see; nothing of `error` is among them."""
        return {**self.facts, **({} if self.exit_code is None else {"exit_code": self.exit_code})}


def read(body: Mapping[str, Any]) -> Reported:
    """Check a report. Raises InvalidInput naming the field; members that we do not know are left alone."""
    facts = {
        "iterations": _integer(body, "iterations", "iterations", 0, LARGEST_INTEGER),
        "max_iterations": _integer(body, "maxIterations", "max_iterations", 0, LARGEST_INTEGER),
        "duration": _text(body, "duration", "duration", ID_LENGTH),
        "branch": _text(body, "branchName", "branch_name", ID_LENGTH),
        "review": _text(body, "reviewJustification", "review_justification", TOLD_CHARACTERS),
    }
    return Reported(
        success=_success(body),
        request_id=request_id_in(body),
        output=_text(body, "output", "output"),
        error=_text(body, "error", "error"),
        exit_code=_integer(body, "exitCode", "exit_code", LOWEST_EXIT_CODE, HIGHEST_EXIT_CODE),
        facts={name: value for name, value in facts.items() if value not in {None, ""}},
        usage=_usage(body),
    )


def request_id_in(body: Mapping[str, Any]) -> str | None:
    """The id of the request that is reported about; None when there is none, which null is not. Raises InvalidInput."""
    if "requestId" not in body and "request_id" not in body:
        return None
    value = _one(body, "requestId", "request_id")
    if not isinstance(value, str) or len(value) > ID_LENGTH:
        raise _wrong("requestId", "invalid", "Send the id that the request had, as a string.")
    return value


def is_uuid(text: str) -> bool:
    """Whether it is a UUID in its form of 36 characters."""
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def _success(body: Mapping[str, Any]) -> bool:
    value = body.get("success")
    if isinstance(value, bool | int | str) and (said := _TRUTHS.get(repr(value))) is not None:
        return said
    raise _wrong("success", "invalid", 'Send true or false; "true", "false", 1, 0, "1" and "0" mean the same.')


def _usage(body: Mapping[str, Any]) -> Usage | None:
    told = body.get("usage")
    if told is None:
        return None
    if not isinstance(told, Mapping):
        raise _wrong("usage", "invalid", "Send an object, or leave it out.")
    return Usage(
        tokens_in=_integer(told, "inputTokens", "input_tokens", 0, LARGEST_INTEGER),
        tokens_out=_integer(told, "outputTokens", "output_tokens", 0, LARGEST_INTEGER),
        cost=_cost(told),
    )


def _cost(told: Mapping[str, Any]) -> Decimal | None:
    value = _one(told, "totalCostUsd", "total_cost_usd")
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not is_number or not 0 <= value <= LARGEST_COST:
        raise _wrong("totalCostUsd", "out_of_range", f"Send a number from 0 to {LARGEST_COST}.")
    return round(Decimal(str(value)), 6)


def _integer(body: Mapping[str, Any], camel: str, snake: str, lowest: int, highest: int) -> int | None:
    value = _one(body, camel, snake)
    if value is None:
        return None
    if type(value) is not int or not lowest <= value <= highest:
        raise _wrong(camel, "out_of_range", f"Send a whole number from {lowest} to {highest}.")
    return value


def _text(body: Mapping[str, Any], camel: str, snake: str, shown: int | None = None) -> str:
    value = _one(body, camel, snake)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _wrong(camel, "invalid", "Send a string.")
    text = plain_text(value)
    return text if shown is None else _shown(text, shown)


def _one(body: Mapping[str, Any], camel: str, snake: str) -> Any:
    """The member under either name; null alone counts as absent. Raises InvalidInput when both are there and differ."""
    first, second = body.get(camel), body.get(snake)
    if camel in body and snake in body and (type(first) is not type(second) or first != second):
        raise _wrong(camel, "ambiguous", f"{camel} and {snake} say different things. Send one of them.")
    return second if first is None else first


def _shown(text: str, length: int = TOLD_CHARACTERS) -> str:
    # Redacted before it is cut: half a secret would not be recognised.
    return redact(text, hide_paths=True)[:length]


def _wrong(field_name: str, code: str, message: str) -> InvalidInput:
    return InvalidInput.for_field(field_name, code, message)
