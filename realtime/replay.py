"""Telling a socket what it missed, from the database, and letting it go over to live events without a seam.

While it replays, the hub hands the session nothing, so nothing piles up: whatever happens meanwhile is read
from the database too. The replay ends in the moment in which it stands where the hub stands.
"""

from collections.abc import Callable, Collection

from realtime import frames, pages
from realtime.database import threads
from realtime.hub import Hub
from realtime.session import Session
from realtime.subscriptions import Subscription, Told


async def replay(session: Session, hub: Hub, *, after: int, wanted: Collection[Subscription]) -> int:
    """Send what the wanted subscriptions missed since `after`, and whatever else happens until that is done.

    `after` must not lie beyond the hub's cursor. Returns how many events were sent.
    """
    told = Told.by(session.subscriptions, up_to=hub.cursor)
    paused_at = hub.cursor
    gap_end = max(one.told_from for one in wanted)
    hub.detach(session)
    for one in wanted:
        session.subscriptions.add(one)
        one.told_from = min(one.told_from, after)
    count = await _send_between(session, told, after, lambda: gap_end)
    count += await _send_between(session, told, paused_at, lambda: hub.cursor)
    # No await since the last look at the cursor: the hub goes on exactly where the replay ended.
    hub.attach(session)
    return count


async def _send_between(session: Session, told: Told, position: int, end: Callable[[], int]) -> int:
    """Send what lies between two positions; the end may move while we are at it."""
    subscriptions, outbox = session.subscriptions, session.outbox
    count = 0
    while position < end() and not outbox.is_closing:
        page = await threads.run(
            pages.read_for,
            owner_id=subscriptions.owner_id if subscriptions.has_all else None,
            task_ids=subscriptions.task_ids,
            after=position,
            up_to=end(),
        )
        for event in page.events:
            matching = subscriptions.matching(event)
            if matching and not told.includes(event, matching):
                await outbox.put(frames.of_event(event))
                count += 1
        position = page.reached
    return count
