"""Sockets that have not yet shown who they are."""

from realtime.outbox import Outbox
from realtime.refusals import TOO_MANY_SOCKETS


class WaitingRoom:
    """A bounded number of strangers. Who comes when it is full takes the place of who waits longest.

    Clients show their token at once, so a crowd that only occupies places pushes out itself.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._waiting: dict[Outbox, None] = {}

    def enter(self, outbox: Outbox) -> None:
        if len(self._waiting) >= self._places:
            longest = next(iter(self._waiting))
            self.leave(longest)
            longest.finish(TOO_MANY_SOCKETS)
        self._waiting[outbox] = None

    def leave(self, outbox: Outbox) -> None:
        self._waiting.pop(outbox, None)
