"""Writing down how a delivery went, and what follows for it and for its endpoint."""

from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from tasks.clock import database_now
from webhooks.models import Delivery, DeliveryAttempt, DeliveryState, Endpoint, OffReason
from webhooks.outbound import backoff, switching
from webhooks.outbound.calls import GONE, Answer

MOST_ATTEMPTS_KEPT: Final = 20
OFF_AFTER: Final = timedelta(days=3)
"""How long nothing may arrive before an endpoint is switched off."""


@transaction.atomic
def note(*, endpoint_id: int, delivery_id: int, answer: Answer) -> bool:
    """Note an attempt; tells whether more may be sent to the endpoint now.

    The endpoint's row is locked before the delivery's, as everywhere. What was delivered meanwhile stays delivered.
    """
    endpoint = Endpoint.objects.select_for_update(no_key=True).filter(pk=endpoint_id).first()
    rows = Delivery.objects.defer("body").select_for_update(no_key=True)
    delivery = rows.filter(pk=delivery_id).first() if endpoint else None
    if endpoint is None or delivery is None:
        return endpoint is not None
    now = database_now()
    _keep_attempt(delivery, answer)
    if answer.is_success:
        _deliver(delivery, endpoint, now)
    else:
        _fail(delivery, endpoint, answer, now)
    return answer.is_success and endpoint.is_on


def _keep_attempt(delivery: Delivery, answer: Answer) -> None:
    delivery.attempts += 1
    delivery.last_status, delivery.last_code = answer.status, answer.code
    DeliveryAttempt.objects.create(
        delivery=delivery,
        number=delivery.attempts,
        status=answer.status,
        code=answer.code,
        seconds=round(answer.seconds, 3),
        head=answer.head,
    )
    if delivery.attempts > MOST_ATTEMPTS_KEPT:
        delivery.tries.filter(number__lte=delivery.attempts - MOST_ATTEMPTS_KEPT).delete()


def _deliver(delivery: Delivery, endpoint: Endpoint, now: datetime) -> None:
    delivery.state, delivery.due_at, delivery.delivered_at = DeliveryState.DELIVERED, None, now
    _save(delivery)
    endpoint.failures, endpoint.failing_since_at, endpoint.held_until_at = 0, None, None
    endpoint.last_delivered_at = now
    endpoint.save(update_fields=["failures", "failing_since_at", "held_until_at", "last_delivered_at"])


def _fail(delivery: Delivery, endpoint: Endpoint, answer: Answer, now: datetime) -> None:
    if delivery.state == DeliveryState.PENDING:
        _put_off(delivery, answer, now)
    _save(delivery)
    endpoint.failures += 1
    endpoint.failing_since_at = endpoint.failing_since_at or now
    pause = backoff.pause_of_endpoint(endpoint.failures, answer.retry_after_seconds)
    endpoint.held_until_at = now + timedelta(seconds=pause)
    endpoint.save(update_fields=["failures", "failing_since_at", "held_until_at"])
    if answer.code == GONE:
        switching.switch_off(endpoint, OffReason.GONE)
    elif now - endpoint.failing_since_at >= OFF_AFTER:
        switching.switch_off(endpoint, OffReason.FAILING)


def _put_off(delivery: Delivery, answer: Answer, now: datetime) -> None:
    delivery.failures += 1
    pause = backoff.pause_of_delivery(delivery.failures, answer.retry_after_seconds)
    delivery.due_at = now + timedelta(seconds=pause)
    # What waits for an endpoint that is gone is not given up: its owner may switch it on again.
    if delivery.due_at > delivery.give_up_at and answer.code != GONE:
        delivery.state, delivery.due_at = DeliveryState.FAILED, None


def _save(delivery: Delivery) -> None:
    delivery.save(update_fields=["attempts", "failures", "last_status", "last_code", "state", "due_at", "delivered_at"])
