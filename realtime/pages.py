"""Reading the history page by page, for the hub and for replays."""

from dataclasses import dataclass
from typing import Final

from realtime.subscriptions import Subscriptions
from tasks import feed
from tasks.feed import FeedEvent

PAGE_SIZE: Final = 200


@dataclass(frozen=True)
class Page:
    """Some events in order, and up to which id there are no others."""

    events: list[FeedEvent]
    reached: int


def read_new(*, after: int, wants_events: bool) -> Page:
    """What happened after a position, to anybody. Without a wish for events only how far the history has come."""
    horizon = feed.horizon()
    if horizon <= after or not wants_events:
        return Page([], max(after, horizon))
    return _page(feed.read(after=after, up_to=horizon, limit=PAGE_SIZE), horizon)


def read_for(subscriptions: Subscriptions, *, after: int, up_to: int) -> Page:
    """What a socket's subscriptions may concern, within known bounds."""
    found: dict[int, FeedEvent] = {}
    if subscriptions.has_all:
        own = feed.read(after=after, up_to=up_to, limit=PAGE_SIZE, owner_id=subscriptions.owner_id)
        found.update((event.id, event) for event in own)
    if subscriptions.task_ids:
        of_tasks = feed.read(after=after, up_to=up_to, limit=PAGE_SIZE, task_ids=subscriptions.task_ids)
        found.update((event.id, event) for event in of_tasks)
    # Each reading begins with its lowest ids, so the lowest of both together leave no gap.
    return _page([found[number] for number in sorted(found)][:PAGE_SIZE], up_to)


def _page(events: list[FeedEvent], up_to: int) -> Page:
    return Page(events, events[-1].id if len(events) == PAGE_SIZE else up_to)
