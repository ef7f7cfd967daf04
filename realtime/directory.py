"""Who listens to what: from an owner or a task to sessions. An event never meets a stranger's socket."""

from collections import defaultdict
from collections.abc import Set as AbstractSet
from typing import Literal

from realtime.session import Session
from realtime.subscriptions import Subscription
from tasks.feed import FeedEvent

Key = tuple[Literal["owner", "task"], int]


def key_of(session: Session, subscription: Subscription) -> Key:
    if subscription.task_id is None:
        return ("owner", session.user_id)
    return ("task", subscription.task_id)


class Directory:
    """The listening sessions under their keys."""

    def __init__(self) -> None:
        self._listeners: defaultdict[Key, set[Session]] = defaultdict(set)
        self._keys: defaultdict[Session, set[Key]] = defaultdict(set)

    def __len__(self) -> int:
        return len(self._keys)

    def enter(self, session: Session) -> None:
        """List a session for all that it is subscribed to."""
        for subscription in session.subscriptions:
            key = key_of(session, subscription)
            self._keys[session].add(key)
            self._listeners[key].add(session)

    def leave(self, session: Session) -> None:
        for key in self._keys.pop(session, ()):
            self._forget(key, session)

    def withdraw(self, session: Session, subscription: Subscription) -> None:
        """List a session no longer for one subscription, if it is listed."""
        key = key_of(session, subscription)
        if key in self._keys.get(session, ()):
            self._keys[session].remove(key)
            self._forget(key, session)
            if not self._keys[session]:
                del self._keys[session]

    def listeners(self, event: FeedEvent) -> AbstractSet[Session]:
        """Everybody who is to hear of an event, each once."""
        of_owner = self._under("owner", event.owner_id)
        of_task = self._under("task", event.task_id)
        return of_owner | {session for session in of_task if session.subscriptions.matching(event)}

    def _under(self, noun: Literal["owner", "task"], number: int | None) -> AbstractSet[Session]:
        return self._listeners.get((noun, number), frozenset()) if number is not None else frozenset()

    def _forget(self, key: Key, session: Session) -> None:
        self._listeners[key].discard(session)
        if not self._listeners[key]:
            del self._listeners[key]
