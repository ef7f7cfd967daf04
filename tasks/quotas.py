"""How much one user may own: every agent is a lane that each claim looks at, and every queue asks for its turn."""

from threading import Lock
from typing import Any, Final

from django.conf import settings
from django.db.models import QuerySet

from accounts.models import User
from accounts.quotas import QuotaReached, take_place

__all__ = [
    "QuotaReached", "take_place", "take_place_for_agent", "take_place_for_frequent_schedule", "take_place_for_queue",
    "take_place_for_schedule", "take_places_in_line",
]  # fmt: skip

_RECOUNTED_AFTER: Final = 20
"""After a twentieth of the room that was left, it is counted again."""
_MOST_REMEMBERED: Final = 10_000
_lock: Final = Lock()
_uncounted: Final[dict[tuple[int, int], int]] = {}


def take_place_for_agent(actor: User) -> None:
    """Raises QuotaReached."""
    limit = settings.PERSONALQ_AGENTS_PER_USER
    take_place(actor, actor.agents.filter(deleted_at__isnull=True), limit, QuotaReached.of(limit, "agents"))


def take_place_for_queue(actor: User) -> None:
    """Raises QuotaReached."""
    limit = settings.PERSONALQ_QUEUES_PER_USER
    take_place(actor, actor.queues.all(), limit, QuotaReached.of(limit, "queues"))


def take_place_for_schedule(actor: User) -> None:
    """Raises QuotaReached."""
    limit = settings.PERSONALQ_SCHEDULES_PER_USER
    take_place(actor, actor.schedules.filter(deleted_at__isnull=True), limit, QuotaReached.of(limit, "schedules"))


def take_place_for_frequent_schedule(owner: User) -> None:
    """For one that comes again within less than a minute; paused ones count, too. Raises QuotaReached."""
    limit = settings.PERSONALQ_FREQUENT_SCHEDULES_PER_USER
    refusal = QuotaReached(
        f"You own {limit} schedules that come again within less than a minute, which is the limit. Leave at least 60 "
        "seconds between two times, delete one of them, or ask the operator for a higher limit."
    )
    take_place(owner, owner.schedules.existing().frequent(), limit, refusal)


def take_places_in_line(*, owner_id: int, waiting: QuerySet[Any], wanted: int) -> None:
    """For tasks that come in, all or none; `waiting` are those of the owner that have not begun. Raises QuotaReached.

    Nobody is held up: those who count at once may pass the limit by what they bring. With room to spare a process does
    not count each time, so it may pass by up to a twentieth of the limit, too. What SQL and imports write is not asked
    about; it counts for what comes after.
    """
    limit = settings.PERSONALQ_UNFINISHED_TASKS_PER_USER
    if _is_sure(owner_id, limit, wanted):
        return
    # No further than needed, and without the order: an index alone answers it.
    left = limit - wanted - waiting.order_by()[: limit + 1].count()
    if left < 0:
        raise QuotaReached(
            f"With this more than {limit} of your tasks would wait, which is the limit. Let some of them run, cancel "
            "some that you do not need, or ask the operator for a higher limit."
        )
    with _lock:
        if len(_uncounted) >= _MOST_REMEMBERED:
            _uncounted.clear()
        _uncounted[owner_id, limit] = left // _RECOUNTED_AFTER


def _is_sure(owner_id: int, limit: int, wanted: int) -> bool:
    with _lock:
        left = _uncounted.get((owner_id, limit), 0) - wanted
        if left < 0:
            return False
        _uncounted[owner_id, limit] = left
        return True
