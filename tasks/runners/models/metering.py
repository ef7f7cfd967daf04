"""What one answer consumes: what the provider tells, and an estimate of what it does not."""

import re
from typing import Any, Final

from tasks.spending.usage import Usage

CHARACTERS_PER_TOKEN: Final = 4
"""A rule of thumb for English text; other languages take more tokens."""
PROGRESS_CHARACTERS: Final = 1024
"""So much more text is worth a new progress report: whoever is cancelled then pays for nearly all of it."""
MOST_TOKENS: Final = 10**9
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class Meter:
    """Counts for one answer."""

    def __init__(self, *, characters_in: int) -> None:
        self._estimated_in = -(-characters_in // CHARACTERS_PER_TOKEN)
        self._characters_out = 0
        self._reported_characters = 0
        self._in: int | None = None
        self._out: int | None = None
        self._cached = 0
        self.has_begun = False

    def begin(self) -> Usage:
        """The provider has taken the question: from now on it costs."""
        self.has_begun = True
        return self.usage

    def hear(self, text: str) -> Usage | None:
        """Count text of the answer; sometimes there is something to report."""
        self._characters_out += len(text)
        if self._characters_out - self._reported_characters < PROGRESS_CHARACTERS:
            return None
        self._reported_characters = self._characters_out
        return self.usage

    def tell(self, *, tokens_in: object = None, tokens_out: object = None, tokens_cached: object = None) -> Usage:
        """Take over what the provider says; what is no number of tokens counts as not said."""
        self._in = _tokens(tokens_in, self._in)
        self._out = _tokens(tokens_out, self._out)
        self._cached = min(_tokens(tokens_cached, self._cached) or 0, self._in or 0)
        return self.usage

    @property
    def usage(self) -> Usage:
        estimated_out = -(-self._characters_out // CHARACTERS_PER_TOKEN)
        return Usage(
            tokens_in=self._estimated_in if self._in is None else self._in,
            tokens_out=estimated_out if self._out is None else self._out,
            tokens_cached=self._cached,
        )

    @property
    def facts(self) -> dict[str, Any]:
        """A mark for the owner when the provider told only a part."""
        return {"usage_estimated": True} if self._in is None or self._out is None else {}


class Text:
    """Text as PostgreSQL can keep it: without NUL, and with surrogate pairs put together that came in two pieces."""

    def __init__(self) -> None:
        self._held = ""
        self.is_empty = True

    def take(self, piece: str) -> str:
        """The part of it that is whole."""
        text, self._held = self._held + piece, ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._held = text[:-1], text[-1]
        return self._clean(text)

    def finish(self) -> str:
        """What was held back for a second half that never came."""
        text, self._held = self._held, ""
        return self._clean(text)

    def _clean(self, text: str) -> str:
        if _SURROGATE.search(text):
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        self.is_empty = self.is_empty and not text
        return text.replace("\0", "\ufffd")


def _tokens(value: object, otherwise: int | None) -> int | None:
    return value if type(value) is int and 0 <= value <= MOST_TOKENS else otherwise
