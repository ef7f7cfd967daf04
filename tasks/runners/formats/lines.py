"""Output that is one JSON object per line, as the coding programs print it."""

import json
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from tasks.runners.formats.base import Format
from tasks.spending.usage import Usage

MOST_LINE: Final = 2 * 1024 * 1024
"""Characters of one line. What tools returned may be longer; nothing of it is needed."""
MOST_TOKENS: Final = 2**31 - 1
MOST_COST: Final = Decimal(100_000)
MOST_FACT: Final = 200
Readers = Mapping[str, Callable[[Mapping[str, Any]], Iterator[str]]]
_CENTS: Final = Decimal("0.000001")


class JsonLines(Format):
    """Reads lines. One that is no JSON object is shown as it is; an object of an unknown kind is counted."""

    def __init__(self) -> None:
        """Begin with nothing read."""
        super().__init__()
        self._pieces: list[str] = []
        self._length = 0
        self._is_known = False
        self._has_ended = False
        self._last_shown = ""
        self._told: Usage | None = None

    def read(self, text: str) -> Iterator[str | Usage]:
        """More of the output; whole lines are understood at once."""
        *whole, rest = text.split("\n")
        for end in whole:
            self._keep(end)
            yield from self._end_line()
        self._keep(rest)

    def finish(self) -> Iterator[str | Usage]:
        """The last line may lack its end."""
        yield from self._end_line()
        if not self._is_known:
            self.facts["output_read_as"] = "text"

    @property
    def is_cut(self) -> bool:
        """It spoke its format, and the line that ends it never came."""
        return self._is_known and not self._has_ended

    @abstractmethod
    def _understand(self, kind: str, event: Mapping[str, Any]) -> Iterator[str]:
        """Take in one event; yields what is to be shown. Unknown kinds are passed to `_count`."""

    @property
    def _readers(self) -> Readers:
        """What reads the events of each kind that has a part in the answer; for those who call `_dispatch`."""
        return {}

    def _dispatch(self, kind: str, event: Mapping[str, Any], *, silent: frozenset[str]) -> Iterator[str]:
        """Hand an event to its reader; `system` tells the model, and of `silent` kinds nothing is needed."""
        self._note("session_id", event.get("session_id"))
        reader = self._readers.get(kind)
        if reader is not None:
            self._know()
            yield from reader(event)
        elif kind == "system":
            self._know()
            self._note("model", event.get("model"))
        elif kind not in silent:
            self._count("events_unknown")

    def _end(self) -> None:
        self._has_ended = True

    def _count(self, what: str) -> None:
        self.facts[what] = self.facts.get(what, 0) + 1

    def _show(self, text: str, *, is_new: bool = True) -> Iterator[str]:
        """Text of the answer; what is new stands apart from what was before."""
        if not text:
            return
        if is_new and self._last_shown:
            yield "\n" * max(0, 2 - _line_ends(self._last_shown))
        self._last_shown = text[-2:] if len(text) > 1 else (self._last_shown + text)[-2:]
        yield text

    @property
    def _has_shown(self) -> bool:
        return bool(self._last_shown)

    def _keep(self, text: str) -> None:
        self._length += len(text)
        if self._length <= MOST_LINE:
            self._pieces.append(text)
        else:
            self._pieces.clear()

    def _end_line(self) -> Iterator[str | Usage]:
        line, length = "".join(self._pieces).strip(), self._length
        self._pieces, self._length = [], 0
        if length > MOST_LINE:
            self._count("lines_too_long")
        elif line:
            yield from self._take(line)
            if self.usage is not None and self.usage != self._told:
                self._told = self.usage
                yield self.usage

    def _take(self, line: str) -> Iterator[str]:
        event = _as_object(line)
        kind = event.get("type") if event is not None else None
        if event is None or not isinstance(kind, str):
            self._count("lines_not_understood")
            # Another program's words, or an error before the format began: whoever reads it should see it.
            yield from self._show(line.replace("\0", "\ufffd") + "\n", is_new=False)
            return
        yield from self._understand(kind, event)

    def _know(self) -> None:
        """A kind of event that belongs to the format has come."""
        self._is_known = True

    def _note(self, fact: str, value: Any) -> None:
        if isinstance(value, str) and value:
            self.facts[fact] = value[:MOST_FACT]


def _as_object(line: str) -> Mapping[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _line_ends(text: str) -> int:
    return len(text) - len(text.rstrip("\n"))


def member(event: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A member that should be an object; an empty one when it is not."""
    value = event.get(name)
    return value if isinstance(value, dict) else {}


def text_of(event: Mapping[str, Any], name: str) -> str:
    """A member that should be text; empty when it is not."""
    value = event.get(name)
    return value.replace("\0", "\ufffd") if isinstance(value, str) else ""


def texts_in(message: Mapping[str, Any]) -> Iterator[str]:
    """The text blocks of a message as Anthropic's API has it."""
    blocks = message.get("content")
    for block in blocks if isinstance(blocks, list) else []:
        if isinstance(block, dict) and block.get("type") == "text" and (text := text_of(block, "text")):
            yield text


def tokens(usage: Mapping[str, Any], *names: str) -> int:
    """The sum of the named counts; what is no sensible count is none."""
    counts = (usage.get(name) for name in names)
    return min(sum(count for count in counts if type(count) is int and 0 <= count <= MOST_TOKENS), MOST_TOKENS)


def money(value: Any) -> Decimal | None:
    """An amount of US dollars to a millionth; None when it is no sensible amount."""
    if type(value) not in {int, float}:
        return None
    try:
        amount = Decimal(str(value))
        return amount.quantize(_CENTS) if Decimal(0) <= amount <= MOST_COST else None
    except InvalidOperation:
        return None
