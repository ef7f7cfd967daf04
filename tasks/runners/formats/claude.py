"""What `claude -p --output-format stream-json --verbose` prints, also with `--include-partial-messages`.

Sources: the documentation of Claude Code ("Run Claude Code programmatically", "Agent SDK reference") and outputs that
people published in its issues, such as number 79500 for errors that call themselves a success.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from tasks.runners.formats.lines import JsonLines, Readers, member, money, text_of, texts_in, tokens
from tasks.runners.formats.verdicts import verdict_on
from tasks.spending.usage import Usage

_IN: Final = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
_SILENT: Final = frozenset(
    {"user", "control_request", "control_response", "keep_alive", "tool_progress", "auth_status"}
)
_MILLISECONDS: Final = 10**11
"""Times since 1970 above this are given in milliseconds."""
_MOST_MESSAGES: Final = 1000


class Claude(JsonLines):
    """Text from assistant messages or their partial events; figures from usage; the end from the result."""

    def __init__(self) -> None:
        """Begin with nothing read."""
        super().__init__()
        self._streamed: set[str] = set()
        self._streaming = ""
        self._error = ""
        self._limit_ends_at: datetime | None = None
        self._counts: dict[str, Usage] = {}

    def _understand(self, kind: str, event: Mapping[str, Any]) -> Iterator[str]:
        if kind == "rate_limit_event":
            self._rate_limit(member(event, "rate_limit_info"))
        else:
            yield from self._dispatch(kind, event, silent=_SILENT)

    @property
    def _readers(self) -> Readers:
        return {"assistant": self._assistant, "stream_event": self._partial, "result": self._result}

    def _assistant(self, event: Mapping[str, Any]) -> Iterator[str]:
        message = member(event, "message")
        number = text_of(message, "id")
        self._error = text_of(event, "error") or self._error
        self._add_usage(number, member(message, "usage"))
        # What a helper of the program says to the program is not its answer.
        if event.get("parent_tool_use_id") is None and number not in self._streamed:
            for text in texts_in(message):
                yield from self._show(text)

    def _partial(self, event: Mapping[str, Any]) -> Iterator[str]:
        part = member(event, "event")
        if event.get("parent_tool_use_id") is not None:
            return
        kind, delta = part.get("type"), member(part, "delta")
        if kind == "message_start":
            self._streaming = text_of(member(part, "message"), "id")
        elif kind == "content_block_delta" and delta.get("type") == "text_delta":
            is_first = self._streaming not in self._streamed
            self._streamed.add(self._streaming)
            yield from self._show(text_of(delta, "text"), is_new=is_first)

    def _add_usage(self, number: str, usage: Mapping[str, Any]) -> None:
        """Each message is printed once for each of its blocks, with the same figures each time."""
        if not usage or len(self._counts) >= _MOST_MESSAGES:
            return
        self._counts[number] = _usage_of(usage)
        every = self._counts.values()
        self.usage = Usage(
            tokens_in=sum(each.tokens_in or 0 for each in every),
            tokens_out=sum(each.tokens_out or 0 for each in every),
            tokens_cached=sum(each.tokens_cached for each in every),
        )

    def _rate_limit(self, info: Mapping[str, Any]) -> None:
        ends = info.get("resetsAt")
        if info.get("status") == "rejected" and type(ends) in {int, float}:
            self._limit_ends_at = _moment(float(ends or 0))

    def _result(self, event: Mapping[str, Any]) -> Iterator[str]:
        self._end()
        usage = member(event, "usage")
        counted = _usage_of(usage) if usage else self.usage or Usage()
        self.usage = Usage(
            tokens_in=counted.tokens_in,
            tokens_out=counted.tokens_out,
            tokens_cached=counted.tokens_cached,
            cost=money(event.get("total_cost_usd")),
        )
        if type(turns := event.get("num_turns")) is int:
            self.facts["turns"] = turns
        if event.get("is_error") is True or str(event.get("subtype", "")).startswith("error"):
            self._fail(event)
        if not self._has_shown:
            yield from self._show(text_of(event, "result"))

    def _fail(self, event: Mapping[str, Any]) -> None:
        subtype, errors = text_of(event, "subtype"), event.get("errors")
        status = event.get("api_error_status")
        told = [each for each in errors if isinstance(each, str)] if isinstance(errors, list) else []
        if subtype.startswith("error"):
            self.facts["reason"] = subtype[:100]
        self.verdict = verdict_on(
            " ".join([text_of(event, "result"), *told]),
            name=self._error,
            status=status if type(status) is int else None,
            ends_at=self._limit_ends_at,
            otherwise="target_failed",
        )


def _usage_of(usage: Mapping[str, Any]) -> Usage:
    return Usage(
        tokens_in=tokens(usage, *_IN),
        tokens_out=tokens(usage, "output_tokens"),
        tokens_cached=tokens(usage, "cache_read_input_tokens"),
    )


def _moment(number: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(number / 1000 if number > _MILLISECONDS else number, UTC)
    except (ValueError, OverflowError, OSError):
        return None
