"""From the bytes that a program writes to the text that is shown."""

import codecs
from collections.abc import Iterator
from typing import Final

from tasks.runners.base import RunFailed
from tasks.runners.formats import Format
from tasks.spending.usage import Usage

LAST_WORDS_CHARACTERS: Final = 2048


class Output:
    """A program's standard output through its format, and not longer than allowed."""

    def __init__(self, *, form: Format, limit_bytes: int) -> None:
        """Take the format that the program speaks, and how much of it may be shown."""
        self._form = form
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._room = limit_bytes
        self.last_words = ""

    def read(self, piece: bytes) -> Iterator[str | Usage]:
        """What more bytes bring. Raises RunFailed `output_too_large` after the last piece that fits."""
        for part in self._form.read(self._decoder.decode(piece).replace("\0", "\ufffd")):
            yield from self._pass(part)

    def finish(self) -> Iterator[str | Usage]:
        """What was held back. Raises RunFailed `output_too_large`."""
        for part in self._form.read(self._decoder.decode(b"", final=True)):
            yield from self._pass(part)
        for part in self._form.finish():
            yield from self._pass(part)

    def _pass(self, part: str | Usage) -> Iterator[str | Usage]:
        if isinstance(part, Usage):
            yield part
        else:
            yield from self._fit(part)

    def _fit(self, text: str) -> Iterator[str]:
        encoded = text.encode()
        fitting = text if len(encoded) <= self._room else encoded[: self._room].decode("utf-8", "ignore")
        self._room -= len(encoded)
        self.last_words = (self.last_words + fitting)[-LAST_WORDS_CHARACTERS:]
        if fitting:
            yield fitting
        if self._room < 0:
            raise RunFailed("output_too_large")
