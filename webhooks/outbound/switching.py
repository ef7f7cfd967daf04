"""Switching an endpoint on and off, by its owner or because it does not answer."""

from datetime import timedelta
from functools import partial
from typing import Final

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest, Now

from accounts import audit
from accounts.models import User
from accounts.models.audit_event import Outcome
from tasks.clock import database_now
from webhooks.models import Delivery, Endpoint, NoticeKind, OffReason
from webhooks.notices import recording as notices
from webhooks.outbound import nudges

ABOUT: Final = "endpoint"
FRESH_START: Final = timedelta(days=3)


def switch_off(endpoint: Endpoint, reason: OffReason, *, actor: User | None = None) -> None:
    """Let a locked endpoint get nothing more; what waits for it goes on waiting. Its owner is told, unless they did it.

    Of one that is off already the first reason stays.
    """
    if not endpoint.is_on:
        return
    endpoint.off_reason, endpoint.off_at = reason, database_now()
    endpoint.save(update_fields=["off_reason", "off_at"])
    audit.record(
        "endpoint.switched_off",
        Outcome.DONE,
        actor=actor,
        owner=endpoint.owner,
        about=(ABOUT, endpoint.uuid),
        reason=str(reason),
        failures=endpoint.failures,
    )
    if reason != OffReason.OWNER:
        notices.note(
            owner_id=endpoint.owner_id, kind=NoticeKind.ENDPOINT, name=endpoint.name, reason=str(reason),
            endpoint=str(endpoint.uuid),
        )  # fmt: skip


def switch_on(endpoint: Endpoint, *, actor: User) -> None:
    """Let a locked endpoint get what waits for it, and what happens from now on. One that is on stays as it is."""
    if endpoint.is_on:
        return
    endpoint.off_reason, endpoint.off_at = "", None
    endpoint.save(update_fields=["off_reason", "off_at"])
    forgive(endpoint)
    waiting = Delivery.objects.filter(endpoint=endpoint, due_at__isnull=False)
    waiting.update(due_at=Now(), failures=0, give_up_at=Greatest(F("give_up_at"), Now() + FRESH_START))
    audit.record("endpoint.switched_on", Outcome.DONE, actor=actor, owner=endpoint.owner, about=(ABOUT, endpoint.uuid))


def forgive(endpoint: Endpoint) -> None:
    """Let a locked endpoint begin anew, whatever came of it before."""
    endpoint.failures, endpoint.failing_since_at = 0, None
    endpoint.save(update_fields=["failures", "failing_since_at"])
    try_now(endpoint)


def try_now(endpoint: Endpoint) -> None:
    """End the hold of a locked endpoint. How long it has been failing is not forgotten by that."""
    endpoint.held_until_at = None
    endpoint.save(update_fields=["held_until_at"])
    transaction.on_commit(partial(nudges.nudge, endpoint.pk, endpoint.owner_id), robust=True)
