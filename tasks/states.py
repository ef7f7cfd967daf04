"""The statuses of a task and the moves between them: pure data, the single source for code, API and database."""

from enum import IntEnum
from typing import Final


class Status(IntEnum):
    """The numbers are the older systems' own, so that SQL their agents were taught still works."""

    READY = 0
    COMPLETE = 1
    ARCHIVED = 2
    BACKLOGGED = 3
    RUNNING = 4
    FAILED = 5
    CANCELLED = 6

    @property
    def word(self) -> str:
        """The name that clients see."""
        return self.name.lower()

    @classmethod
    def from_word(cls, word: str) -> "Status":
        """The status a client's word names; raises KeyError for any other word."""
        return BY_WORD[word]


BY_WORD: Final[dict[str, Status]] = {status.word: status for status in Status}
WORDS: Final[tuple[str, ...]] = tuple(BY_WORD)

UNFINISHED: Final = frozenset({Status.READY, Status.BACKLOGGED, Status.RUNNING})
TERMINAL: Final = frozenset({Status.COMPLETE, Status.FAILED, Status.CANCELLED})
FINISHED: Final = TERMINAL | {Status.ARCHIVED}

# verb -> the statuses it may start from. `restore` goes back to where `archive` came from.
ALLOWED_FROM: Final[dict[str, frozenset[Status]]] = {
    "claim": frozenset({Status.READY}),
    "complete": frozenset({Status.RUNNING}),
    "fail": frozenset({Status.RUNNING}),
    "hold": frozenset({Status.RUNNING}),
    "give_back": frozenset({Status.RUNNING}),
    "expire": frozenset({Status.READY}),
    "cancel": UNFINISHED,
    "retry": frozenset({Status.FAILED, Status.CANCELLED}),
    "backlog": frozenset({Status.READY}),
    "release": frozenset({Status.BACKLOGGED}),
    "archive": TERMINAL,
    "restore": frozenset({Status.ARCHIVED}),
    "edit": frozenset(Status) - {Status.RUNNING, Status.ARCHIVED},
    "move": frozenset(Status) - {Status.RUNNING, Status.ARCHIVED},
}


# They would carry out, or change, what is not there any more once the contents are removed.
NEEDS_CONTENTS: Final = frozenset({"retry", "edit"})


def may(verb: str, status: Status) -> bool:
    return status in ALLOWED_FROM[verb]


def verbs_for(status: Status, *, is_pruned: bool = False) -> frozenset[str]:
    """What a person may ask for while a task has this status, and its contents or, once pruned, none."""
    asked = {"cancel", "retry", "backlog", "release", "archive", "restore", "edit", "move"}
    return frozenset(verb for verb in asked if may(verb, status)) - (NEEDS_CONTENTS if is_pruned else frozenset())
