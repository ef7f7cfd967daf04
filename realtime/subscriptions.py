"""What one socket wants to hear of, and which part of it it has been told already."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tasks.feed import FeedEvent

ALL: Final = "all"


@dataclass(eq=False)
class Subscription:
    """All own tasks (`task_id` None), or one task. Every event above `told_from` was told or will be.

    `is_foreign` marks the task of somebody else, which only operators are let in to.
    """

    name: str
    task_id: int | None
    told_from: int
    is_foreign: bool = False


class Subscriptions:
    """The subscriptions of one user's socket, by their names: "all" or the uuid of a task."""

    def __init__(self, owner_id: int) -> None:
        self.owner_id = owner_id
        self._by_name: dict[str, Subscription] = {}

    def __iter__(self) -> Iterator[Subscription]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def add(self, subscription: Subscription) -> None:
        self._by_name[subscription.name] = subscription

    def remove(self, name: str) -> Subscription | None:
        return self._by_name.pop(name, None)

    def get(self, name: str) -> Subscription | None:
        return self._by_name.get(name)

    @property
    def has_all(self) -> bool:
        return ALL in self._by_name

    @property
    def task_ids(self) -> list[int]:
        return [one.task_id for one in self if one.task_id is not None]

    @property
    def foreign(self) -> list[Subscription]:
        return [one for one in self if one.is_foreign]

    def matching(self, event: FeedEvent) -> list[Subscription]:
        """The subscriptions that an event belongs to; none when this user may not see it."""
        is_own = event.owner_id == self.owner_id
        return [
            one
            for one in self
            if (is_own if one.task_id is None else one.task_id == event.task_id and (is_own or one.is_foreign))
        ]


@dataclass(frozen=True)
class Told:
    """What a socket had been told when a replay began: for each subscription the events of a range of ids."""

    ranges: dict[Subscription, tuple[int, int]]

    @classmethod
    def by(cls, subscriptions: Subscriptions, *, up_to: int) -> "Told":
        return cls({one: (one.told_from, up_to) for one in subscriptions})

    def includes(self, event: FeedEvent, matching: list[Subscription]) -> bool:
        return any(self._was_told(event.id, one) for one in matching)

    def _was_told(self, event_id: int, subscription: Subscription) -> bool:
        lower, upper = self.ranges.get(subscription, (0, 0))
        return lower < event_id <= upper
