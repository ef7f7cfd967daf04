"""Endpoints and deliveries as clients see them."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery
from django.db.models.functions import Now
from rest_framework.request import Request
from rest_framework.reverse import reverse

from webhooks.models import Delivery, DeliveryAttempt, Endpoint, EndpointSecret
from webhooks.outbound.signing import message_id


def endpoint_row(request: Request) -> Callable[[Endpoint], dict[str, Any]]:
    base = reverse("api-webhook-endpoints", request=request)

    def represent(endpoint: Endpoint) -> dict[str, Any]:
        return {
            "uuid": endpoint.uuid,
            "name": endpoint.name,
            "target_url": endpoint.url,
            "kinds": endpoint.kinds,
            "is_on": endpoint.is_on,
            "off_reason": endpoint.off_reason,
            "off_at": endpoint.off_at,
            "failures": endpoint.failures,
            "failing_since_at": endpoint.failing_since_at,
            "held_until_at": endpoint.held_until_at,
            "last_delivered_at": endpoint.last_delivered_at,
            "old_secret_until_at": old_secret_until(endpoint),
            "owner": endpoint.owner.get_username(),
            "created_at": endpoint.created_at,
            "updated_at": endpoint.updated_at,
            "url": f"{base}/{endpoint.uuid}",
        }

    return represent


def endpoint_rows(rows: QuerySet[Endpoint]) -> QuerySet[Endpoint]:
    """The rows with what `endpoint_row` needs."""
    still = EndpointSecret.objects.filter(endpoint=OuterRef("pk"), valid_until_at__gt=Now())
    until = Subquery(still.order_by("-valid_until_at").values("valid_until_at")[:1])
    return rows.select_related("owner").annotate(old_secret_until_at=until)


def old_secret_until(endpoint: Endpoint) -> datetime | None:
    """Until when an old secret signs, too; asks the database unless `endpoint_rows` has done it."""
    if not hasattr(endpoint, "old_secret_until_at"):
        endpoint = endpoint_rows(Endpoint.objects.all()).get(pk=endpoint.pk)
    found: datetime | None = endpoint.old_secret_until_at  # type: ignore[attr-defined]  # annotated
    return found


def delivery_rows(rows: QuerySet[Delivery]) -> QuerySet[Delivery]:
    """The rows with what `delivery_row` needs, and without their bodies."""
    return rows.select_related("endpoint").defer("body")


def delivery_row(request: Request) -> Callable[[Delivery], dict[str, Any]]:
    def represent(delivery: Delivery) -> dict[str, Any]:
        return {
            "uuid": delivery.uuid,
            "message_id": message_id(delivery.uuid),
            "endpoint": delivery.endpoint.uuid,
            "kind": delivery.kind,
            "event": delivery.event_id or None,
            "state": delivery.state,
            "attempts": delivery.attempts,
            "last_status": delivery.last_status,
            "last_code": delivery.last_code,
            "due_at": delivery.due_at,
            "give_up_at": delivery.give_up_at,
            "created_at": delivery.created_at,
            "delivered_at": delivery.delivered_at,
            "url": reverse("api-webhook-delivery", args=[delivery.uuid], request=request),
        }

    return represent


def delivery_in_full(delivery: Delivery, request: Request) -> dict[str, Any]:
    """One delivery with its body and attempts."""
    tries = [_attempt_row(each) for each in delivery.tries.order_by("-number")]
    return {**delivery_row(request)(delivery), "body": delivery.body, "tries": tries}


def _attempt_row(attempt: DeliveryAttempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "at": attempt.at,
        "seconds": attempt.seconds,
        "status": attempt.status,
        "code": attempt.code,
        "head": attempt.head,
    }
