"""One follower of the history per web process, which hands each event to the sockets of its owner.

The database tells what happened and in which order. The channel layer only says that something did; when
it is away, flushed or too full, the hub finds out by itself within a second.
"""

import asyncio
import logging
from collections import Counter
from contextlib import suppress
from typing import Final
from weakref import WeakKeyDictionary

from django.conf import settings

from realtime import frames, pages
from realtime.directory import Directory
from realtime.guard import Guard
from realtime.layer import listen
from realtime.outages import Outage, repeat
from realtime.refusals import TOO_MANY_SOCKETS, UNAVAILABLE, Refusal, Refused
from realtime.session import Session
from realtime.subscriptions import Subscription
from realtime.waiting_room import WaitingRoom
from tasks.database_threads import DatabaseThreads
from tasks.feed import FeedEvent

logger = logging.getLogger(__name__)

POLL_SECONDS: Final = 1.0
PATIENCE_SECONDS: Final = 5.0
# Waking a socket costs as much as sending a short frame, so it may take a few at once. Less than any outbox holds.
BYTES_IN_ONE_GO: Final = 16_384


class Hub:
    """The sessions of this event loop and how far they have been told of the history."""

    def __init__(self) -> None:
        self.cursor = 0
        self.sessions: set[Session] = set()
        self.strangers = WaitingRoom(settings.PERSONALQ_SOCKETS_UNAUTHENTICATED)
        self._per_user: Counter[int] = Counter()
        self._directory = Directory()
        self._threads = DatabaseThreads(1)
        self._nudged = asyncio.Event()
        self._moved = asyncio.Event()
        self._is_ready = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def ready(self) -> None:
        """Wait until the position in the history is known. Raises Refused while the database is away."""
        if not self._tasks:
            outage = Outage(logger, "The history of tasks")
            self._tasks = [
                asyncio.create_task(repeat(self._catch_up, self._wait_for_nudge, outage)),
                asyncio.create_task(listen(self.nudge)),
                asyncio.create_task(Guard(self.sessions, self.withdraw).run()),
            ]
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._is_ready.wait()
        except TimeoutError:
            raise Refused(UNAVAILABLE) from None

    def join(self, session: Session) -> None:
        """Count a session in. Raises Refused when its user has as many as one may have."""
        if self._per_user[session.user_id] >= settings.PERSONALQ_SOCKETS_PER_USER:
            raise Refused(TOO_MANY_SOCKETS)
        self._per_user[session.user_id] += 1
        self.sessions.add(session)

    def leave(self, session: Session) -> None:
        """Forget a session, if it ever joined."""
        session.end()
        self._directory.leave(session)
        if session in self.sessions:
            self.sessions.remove(session)
            self._per_user[session.user_id] -= 1
            if not self._per_user[session.user_id]:
                del self._per_user[session.user_id]

    def attach(self, session: Session) -> None:
        """Hand the session all events above the cursor that it is subscribed to."""
        self._directory.enter(session)

    def detach(self, session: Session) -> None:
        """Hand the session nothing for now."""
        self._directory.leave(session)

    def withdraw(self, session: Session, subscription: Subscription) -> None:
        """End one subscription of a session."""
        self._directory.withdraw(session, subscription)
        session.subscriptions.remove(subscription.name)

    def nudge(self) -> None:
        """There may be something new."""
        self._nudged.set()

    async def reach(self, position: int, *, or_else: Refusal) -> None:
        """Wait until the cursor is there. Raises Refused when it does not come within a few seconds."""
        self.nudge()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while self.cursor < position:
                    await self._moved.wait()
        except TimeoutError:
            raise Refused(or_else) from None

    async def _wait_for_nudge(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):
                await self._nudged.wait()

    async def _catch_up(self) -> None:
        # Cleared before reading: a nudge that comes meanwhile is about something that this reading may miss.
        self._nudged.clear()
        while not await self._advance():
            pass
        self._is_ready.set()

    async def _advance(self) -> bool:
        """Read and hand out one page; whether it was the last."""
        wants_events = len(self._directory) > 0
        page = await self._threads.run(pages.read_new, after=self.cursor, wants_events=wants_events)
        if len(self._directory) > 0 and not wants_events:
            return False  # who began to listen meanwhile must not miss what was not read
        handed_out = 0
        for event in page.events:
            handed_out += self._hand_out(event)
            self._move_to(event.id)
            if handed_out > BYTES_IN_ONE_GO:
                # Let the sockets send: a whole page at once would overrun those that keep up.
                await asyncio.sleep(0)
                handed_out = 0
        self._move_to(page.reached)
        return len(page.events) < pages.PAGE_SIZE

    def _hand_out(self, event: FeedEvent) -> int:
        """Give an event to all who listen; returns the bytes that each of them got, 0 when nobody did."""
        listeners = self._directory.listeners(event)
        if not listeners:
            return 0
        frame = frames.of_event(event)
        for session in listeners:
            session.outbox.offer(frame)
        return frame.size

    def _move_to(self, position: int) -> None:
        self.cursor = max(self.cursor, position)
        self._moved.set()
        self._moved = asyncio.Event()


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def hub_of_this_loop() -> Hub:
    """The hub of the running event loop, made when the first socket comes."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub()
    return _hubs[loop]
