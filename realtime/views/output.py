"""What an attempt has said, read back from the history."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tasks import events
from tasks.models import Task
from tasks.states import Status

TAIL_LENGTH: Final = 100_000
_CHUNK: Final = 100


@dataclass(frozen=True)
class Tail:
    """The end of an attempt's output; `start` counts the characters before it."""

    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


def tail_of(task: Task, attempt: int, *, length: int = TAIL_LENGTH) -> Tail:
    """The last `length` characters that an attempt has said so far."""
    if _is_result(task, attempt):
        text = task.result or ""
        return Tail(text=text[-length:], start=max(0, len(text) - length))
    pieces: list[str] = []
    missing, start = length, 0
    for text, offset in _pieces(task, attempt):
        pieces.append(text[-missing:])
        missing -= len(text)
        start = offset + max(0, len(text) - len(pieces[-1]))
        if missing <= 0:
            break
    return Tail(text="".join(reversed(pieces)), start=start)


def whole_of(task: Task, attempt: int) -> str:
    """All that an attempt has said so far."""
    if _is_result(task, attempt):
        return task.result or ""
    return "".join(reversed([text for text, _ in _pieces(task, attempt)]))


def _is_result(task: Task, attempt: int) -> bool:
    last = Status(task.archived_from) if task.archived_from is not None else task.state
    return last == Status.COMPLETE and attempt == task.attempts and task.result is not None


def _pieces(task: Task, attempt: int) -> Iterator[tuple[str, int]]:
    """The pieces of an output and where each begins, newest first."""
    rows = task.events.filter(attempt=attempt, kind=events.OUTPUT).order_by("-id").values_list("id", "data")
    found = list(rows[:_CHUNK])
    while found:
        yield from ((data["text"], data["offset"]) for _, data in found)
        found = list(rows.filter(id__lt=found[-1][0])[:_CHUNK])
