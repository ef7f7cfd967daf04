"""How much one user may own: every agent is a lane that each claim looks at, and every queue asks for its turn."""

from typing import Any

from django.conf import settings
from django.db.models import QuerySet

from accounts.models import User
from personalq.lib.errors import Conflict


class QuotaReached(Conflict):
    """The user owns as many of these as one user may."""

    code = "quota_reached"
    title = "You own as many of these as one user may."
    advice = "Delete some that you do not need, or ask the operator for a higher limit."


def take_place_for_agent(actor: User) -> None:
    """Raises QuotaReached. Holds the user's row until the transaction ends, so that two cannot both be the last."""
    _take_place(actor, actor.agents.filter(deleted_at__isnull=True), settings.PERSONALQ_AGENTS_PER_USER, "agents")


def take_place_for_queue(actor: User) -> None:
    """As `take_place_for_agent`."""
    _take_place(actor, actor.queues.all(), settings.PERSONALQ_QUEUES_PER_USER, "queues")


def _take_place(actor: User, owned: QuerySet[Any], limit: int, noun: str) -> None:
    User.objects.select_for_update(no_key=True).get(pk=actor.pk)
    if owned.count() >= limit:
        raise QuotaReached(f"You own {limit} {noun}, which is the limit. {QuotaReached.advice}")
