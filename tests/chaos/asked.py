"""What was asked of the product, and what it promised."""

import threading
from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Wish:
    """A task as it was asked for. No two have the same prompt."""

    agent: str
    prompt: str


@dataclass
class Asked:
    """Everything that was asked. Threads share it."""

    accepted: dict[str, Wish] = field(default_factory=dict)
    """By the id that a 201 named."""
    unanswered: list[Wish] = field(default_factory=list)
    """The answer was lost or spoke of trouble: perhaps the task was written, perhaps not."""
    cancelled: set[str] = field(default_factory=set)
    """Ids of which the product said that they are cancelled."""
    cancels_unanswered: set[str] = field(default_factory=set)
    answers: Counter[str] = field(default_factory=Counter)
    """How often each answer to a new task came."""
    _guard: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def note_accepted(self, task: str, wish: Wish) -> None:
        with self._guard:
            self.accepted[task] = wish

    def note_unanswered(self, wish: Wish) -> None:
        with self._guard:
            self.unanswered.append(wish)

    def note_answer(self, answer: str) -> None:
        with self._guard:
            self.answers[answer] += 1

    def note_cancel(self, task: str, *, is_certain: bool) -> None:
        with self._guard:
            (self.cancelled if is_certain else self.cancels_unanswered).add(task)
