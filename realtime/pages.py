"""Reading the history page by page, for the hub and for replays."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from tasks import feed
from tasks.feed import FeedEvent

PAGE_SIZE: Final = 200


@dataclass(frozen=True)
class Page:
    """Some events in order, and up to which id there are no others."""

    events: list[FeedEvent]
    reached: int


def read_new(*, after: int, wants_events: bool) -> Page:
    """What happened after a position, to anybody; without a wish for events only how far the history is."""
    horizon = feed.horizon()
    if horizon <= after or not wants_events:
        return Page([], max(after, horizon))
    return _page(feed.read(after=after, up_to=horizon, limit=PAGE_SIZE), horizon)


def read_for(*, owner_id: int | None, task_ids: Collection[int], after: int, up_to: int) -> Page:
    """What happened to the tasks of an owner or to some tasks, within known bounds."""
    found: dict[int, FeedEvent] = {}
    if owner_id is not None:
        own = feed.read(after=after, up_to=up_to, limit=PAGE_SIZE, owner_id=owner_id)
        found.update((event.id, event) for event in own)
    if task_ids:
        of_tasks = feed.read(after=after, up_to=up_to, limit=PAGE_SIZE, task_ids=task_ids)
        found.update((event.id, event) for event in of_tasks)
    # Each reading begins with its lowest ids, so the lowest of both together leave no gap.
    return _page([found[number] for number in sorted(found)][:PAGE_SIZE], up_to)


def _page(events: list[FeedEvent], up_to: int) -> Page:
    return Page(events, events[-1].id if len(events) == PAGE_SIZE else up_to)
