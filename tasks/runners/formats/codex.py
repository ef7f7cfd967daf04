"""What `codex exec --json` prints.

Sources: the documentation of the Codex CLI ("Non-interactive mode"), and outputs that people published.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tasks.runners.formats.lines import JsonLines, member, text_of, tokens
from tasks.runners.formats.verdicts import verdict_on
from tasks.spending.usage import Usage

_MESSAGES: Final = frozenset({"agent_message", "assistant_message"})
_SILENT: Final = frozenset({"turn.started", "item.started", "item.updated", "item.failed"})


class Codex(JsonLines):
    """Text from completed messages; figures from completed turns; failures from failed ones."""

    def __init__(self) -> None:
        """Begin with nothing read."""
        super().__init__()
        self._complaint = ""

    def _understand(self, kind: str, event: Mapping[str, Any]) -> Iterator[str]:
        if kind.startswith(("thread.", "turn.", "item.")):
            self._know()
        if kind == "item.completed":
            yield from self._item(member(event, "item"))
        elif kind == "turn.completed":
            self._end()
            self.verdict = None
            self._add_usage(member(event, "usage"))
        elif kind == "turn.failed":
            self._end()
            self._add_usage(member(event, "usage"))
            self._fail(text_of(member(event, "error"), "message"))
        elif kind == "error":
            # Also said of a connection that is made anew; only as the last word it is a failure.
            self._fail(text_of(event, "message"))
        elif kind == "thread.started":
            self._note("session_id", event.get("thread_id"))
        elif kind not in _SILENT:
            self._count("events_unknown")

    def _item(self, item: Mapping[str, Any]) -> Iterator[str]:
        if (item.get("type") or item.get("item_type")) in _MESSAGES:
            yield from self._show(text_of(item, "text"))

    def _add_usage(self, usage: Mapping[str, Any]) -> None:
        """The figures of a turn are those of the whole thread so far."""
        if usage:
            self.usage = Usage(
                tokens_in=tokens(usage, "input_tokens"),
                tokens_out=tokens(usage, "output_tokens"),
                tokens_cached=tokens(usage, "cached_input_tokens"),
            )

    def _fail(self, words: str) -> None:
        self._complaint = words or self._complaint
        self.verdict = verdict_on(self._complaint, otherwise="target_failed")
