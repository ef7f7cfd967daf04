"""What every format of a program's output is."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from tasks.runners.formats.verdicts import Verdict
from tasks.spending.usage import Usage


class Format(ABC):
    """Reads one program's output from beginning to end. Never raises for what a program prints."""

    def __init__(self) -> None:
        """Begin with nothing read."""
        self.usage: Usage | None = None
        """What the program has told so far of tokens and money; None when it told nothing."""
        self.facts: dict[str, Any] = {}
        """Small details for the event that ends the attempt."""
        self.verdict: Verdict | None = None
        """The failure that the program itself told of, if it did."""

    @abstractmethod
    def read(self, text: str) -> Iterator[str | Usage]:
        """More of the output, cut anywhere; yields what is to be shown and what has been consumed."""

    @abstractmethod
    def finish(self) -> Iterator[str | Usage]:
        """The output has ended; yields the rest."""

    @property
    def is_cut(self) -> bool:
        """Whether the program stopped before the end that its format prescribes."""
        return False


class PlainText(Format):
    """Every program's: shown as it is."""

    def read(self, text: str) -> Iterator[str | Usage]:
        """The same text."""
        yield text

    def finish(self) -> Iterator[str | Usage]:
        """Nothing is ever held back."""
        yield from ()
