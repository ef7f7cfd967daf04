"""Who sends to an endpoint: one worker at a time, for a limited time."""

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.views.decorators.debug import sensitive_variables

from personalq.lib import sealing
from personalq.lib.http import Cause
from tasks.clock import database_now
from webhooks.models import Delivery, Endpoint, EndpointSecret

LEASE: Final = timedelta(seconds=60)
"""More than a turn with its last call takes. After it another worker may go on: the one that had it is gone."""
AFTER_UNREADABLE: Final = timedelta(minutes=10)
MOST_ENDPOINTS: Final = 500
FIELD: Final = "sealed_secret"

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Lease:
    """The right to send to one endpoint until a time, and what that needs."""

    endpoint_id: int
    cause: Cause
    until_at: datetime
    url: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    """Newest first; all of them sign."""


@sensitive_variables()
@transaction.atomic
def take(*, endpoint_id: int) -> Lease | None:
    """The lease; None when somebody has it, or the endpoint is off, held or gone."""
    free = Endpoint.objects.free().select_for_update(of=("self",), no_key=True, skip_locked=True)
    endpoint = free.filter(pk=endpoint_id).first()
    if endpoint is None:
        return None
    try:
        secrets = tuple(open_secret(each) for each in endpoint.secrets.all().valid().order_by("-id"))
    except sealing.SealBroken as error:
        _logger.error("a secret of endpoint %s cannot be read: %s", endpoint.uuid, error)  # noqa: TRY400 - it says all
        Endpoint.objects.filter(pk=endpoint.pk).update(held_until_at=Now() + AFTER_UNREADABLE)
        return None
    until_at = database_now() + LEASE
    Endpoint.objects.filter(pk=endpoint.pk).update(claimed_until_at=until_at)
    cause = Cause(owner_id=endpoint.owner_id, noun="endpoint", uuid=endpoint.uuid)
    return Lease(endpoint_id=endpoint.pk, cause=cause, until_at=until_at, url=endpoint.url, secrets=secrets)


def release(*, lease: Lease) -> bool:
    """Give the lease back, if it is still this one; tells whether there is more to send now."""
    held = Endpoint.objects.filter(pk=lease.endpoint_id, claimed_until_at=lease.until_at)
    held.update(claimed_until_at=None)
    return Endpoint.objects.free().with_due_deliveries().filter(pk=lease.endpoint_id).exists()


def next_due(*, lease: Lease, limit: int) -> list[Delivery]:
    """The next deliveries in the order of their events; none when the lease is over, or the endpoint off or held."""
    mine = Endpoint.objects.filter(pk=lease.endpoint_id, claimed_until_at=lease.until_at, off_reason="")
    rows = Delivery.objects.due().filter(endpoint__in=mine.exclude(held_until_at__gt=Now()))
    return list(rows.filter(endpoint_id=lease.endpoint_id).order_by("event_id", "id")[:limit])


def due_endpoints() -> list[tuple[int, int]]:
    """Ids of endpoints, with their owners', that something is to be sent to now; whoever waits longest goes first."""
    rows = Endpoint.objects.free().with_due_deliveries().order_by(F("last_delivered_at").asc(nulls_first=True))
    return list(rows.values_list("pk", "owner_id")[:MOST_ENDPOINTS])


@sensitive_variables()
def open_secret(secret: EndpointSecret) -> str:
    """The plain text. Raises SealBroken."""
    return sealing.unseal(secret.sealed_secret, context=sealing.context_of(secret, FIELD))
