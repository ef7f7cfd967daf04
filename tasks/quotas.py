"""How much one user may own: every agent is a lane that each claim looks at, and every queue asks for its turn."""

from django.conf import settings

from accounts.models import User
from accounts.quotas import QuotaReached, take_place

__all__ = [
    "QuotaReached", "take_place", "take_place_for_agent", "take_place_for_frequent_schedule", "take_place_for_queue",
    "take_place_for_schedule",
]  # fmt: skip


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
