"""How much one user may own: every agent is a lane that each claim looks at, and every queue asks for its turn.

A place is taken inside the transaction that fills it. The user's row is held until that ends, so that two cannot both
be the last one that is allowed.
"""

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
    """Raises QuotaReached."""
    limit = settings.PERSONALQ_AGENTS_PER_USER
    take_place(actor, actor.agents.filter(deleted_at__isnull=True), limit, _reached(limit, "agents"))


def take_place_for_queue(actor: User) -> None:
    """Raises QuotaReached."""
    limit = settings.PERSONALQ_QUEUES_PER_USER
    take_place(actor, actor.queues.all(), limit, _reached(limit, "queues"))


def take_place(actor: User, owned: QuerySet[Any], limit: int, refusal: Conflict) -> None:
    """Raises `refusal` when the user has `limit` of these already."""
    User.objects.select_for_update(no_key=True).get(pk=actor.pk)
    if owned.count() >= limit:
        raise refusal


def _reached(limit: int, noun: str) -> QuotaReached:
    return QuotaReached(f"You own {limit} {noun}, which is the limit. {QuotaReached.advice}")
