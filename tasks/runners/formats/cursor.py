"""What `cursor-agent -p --output-format stream-json` prints, also with `--stream-partial-output`.

Sources: https://cursor.com/docs/cli/reference/output-format, and outputs that people published. An error is told on
standard error with an exit code other than 0, and no result comes then.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tasks.runners.formats.lines import JsonLines, Readers, member, text_of, texts_in, tokens
from tasks.runners.formats.verdicts import verdict_on
from tasks.spending.usage import Usage

_SILENT: Final = frozenset({"user", "thinking", "interaction_query"})


class Cursor(JsonLines):
    """Text from assistant messages or their parts; figures and the end from the result."""

    def __init__(self) -> None:
        """Begin with nothing read."""
        super().__init__()
        self._parts: list[str] = []
        self._parts_length = 0

    def _understand(self, kind: str, event: Mapping[str, Any]) -> Iterator[str]:
        yield from self._dispatch(kind, event, silent=_SILENT)

    @property
    def _readers(self) -> Readers:
        return {"assistant": self._assistant, "result": self._result, "tool_call": self._tool_call}

    def _tool_call(self, _: Mapping[str, Any]) -> Iterator[str]:
        self._forget_parts()
        return iter(())

    def _assistant(self, event: Mapping[str, Any]) -> Iterator[str]:
        text = "".join(texts_in(member(event, "message")))
        # Parts carry a time and no call; the whole message that follows them repeats what they said.
        is_part = "timestamp_ms" in event and "model_call_id" not in event
        if not is_part and len(text) == self._parts_length and text == "".join(self._parts):
            self._forget_parts()
            return
        yield from self._show(text, is_new=not (is_part and self._parts))
        if is_part:
            self._parts.append(text)
            self._parts_length += len(text)
        else:
            self._forget_parts()

    def _forget_parts(self) -> None:
        self._parts, self._parts_length = [], 0

    def _result(self, event: Mapping[str, Any]) -> Iterator[str]:
        self._end()
        if usage := member(event, "usage"):
            self.usage = Usage(
                tokens_in=tokens(usage, "inputTokens", "cacheReadTokens", "cacheWriteTokens"),
                tokens_out=tokens(usage, "outputTokens"),
                tokens_cached=tokens(usage, "cacheReadTokens"),
            )
        if event.get("is_error") is True or event.get("subtype") != "success":
            self.verdict = verdict_on(text_of(event, "result"), otherwise="target_failed")
        if not self._has_shown:
            yield from self._show(text_of(event, "result"))
