"""Sending again what was sent, and forgetting what is old."""

from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import QuerySet

from personalq.lib.current_request import current_request_id
from tasks.clock import database_now
from webhooks.models import Delivery, DeliveryState, Endpoint, EndpointSecret
from webhooks.outbound import switching
from webhooks.outbound.endpoints import lock_switched_on
from webhooks.outbound.switching import FRESH_START

KEPT: Final = timedelta(days=30)
_DELETED_AT_ONCE: Final = 5_000


@transaction.atomic
def redeliver(*, delivery: Delivery) -> Delivery:
    """Send a delivery now, with the id and the body that it has, also one that arrived. Repeating it sends no more.

    Raises EndpointOff, and NotFound when the endpoint was deleted meanwhile.
    """
    endpoint = lock_switched_on(delivery.endpoint)
    _ask_again(Delivery.objects.filter(pk=delivery.pk))
    switching.try_now(endpoint)
    delivery.refresh_from_db()
    return delivery


@transaction.atomic
def redeliver_failed(*, endpoint: Endpoint) -> int:
    """Send everything now that was given up; returns how many. Raises as `redeliver`."""
    current = lock_switched_on(endpoint)
    failed = Delivery.objects.filter(endpoint=current, state=DeliveryState.FAILED)
    count = _ask_again(failed)
    switching.try_now(current)
    return count


def forget_old() -> None:
    """Delete deliveries that are older than 30 days, whatever became of them, and secrets that sign no more."""
    now = database_now()
    while _forget_some(now - KEPT):
        pass
    EndpointSecret.objects.filter(valid_until_at__lt=now).delete()


def _ask_again(which: QuerySet[Delivery]) -> int:
    now = database_now()
    asked = {"request_id": request_id} if (request_id := current_request_id()) else {}
    return which.update(
        state=DeliveryState.PENDING, failures=0, due_at=now, delivered_at=None, give_up_at=now + FRESH_START, **asked
    )


def _forget_some(before: datetime) -> int:
    some = Delivery.objects.filter(created_at__lt=before).order_by("created_at").values_list("pk", flat=True)
    return Delivery.objects.filter(pk__in=list(some[:_DELETED_AT_ONCE])).delete()[0]
