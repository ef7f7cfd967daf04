"""Deliveries: list, read and send again."""

from typing import ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from personalq.lib.fields import NoBody
from personalq.lib.negotiation import JsonWithoutType
from personalq.lib.pagination import PageParameters
from webhooks import access
from webhooks.api import endpoint_forms as forms
from webhooks.api.base import READ_LIMIT, WRITE_LIMIT, Deed, ObjectView, read_body
from webhooks.api.endpoint_rows import delivery_in_full, delivery_row, delivery_rows
from webhooks.api.endpoint_views import OFF, TAGS, OneEndpointView
from webhooks.models import Delivery
from webhooks.outbound import deliveries


class DeliveryList(OneEndpointView):
    """The deliveries of a webhook endpoint."""

    query_class = forms.DeliveryQuery
    rate_limits: ClassVar = {"GET": READ_LIMIT, "HEAD": READ_LIMIT}

    @extend_schema(
        operation_id="list_webhook_deliveries",
        summary="List the deliveries of a webhook endpoint",
        description="Newest first. They are kept for 30 days.",
        tags=TAGS,
        parameters=[forms.DeliveryQuery, PageParameters],
        responses={200: forms.WebhookDeliveryPage},
    )
    def get(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        rows = Delivery.objects.filter(endpoint=self.find("view"), **self.query)
        return self.page(delivery_rows(rows), delivery_row(request))


class OneDeliveryView(ObjectView[Delivery]):
    """What all routes about one delivery share."""

    def fetch(self, uuid: UUID, deed: Deed) -> Delivery:
        return access.delivery_for(self.user, uuid, deed)


class OneDelivery(OneDeliveryView):
    """One delivery."""

    @extend_schema(
        operation_id="get_webhook_delivery",
        summary="Read a delivery and its attempts",
        tags=TAGS,
        responses={200: forms.WebhookDeliveryInFull},
    )
    def get(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        return Response(delivery_in_full(self.find("view"), request))


class Redeliver(OneDeliveryView):
    """Sending a delivery again."""

    content_negotiation_class = JsonWithoutType
    rate_limits: ClassVar = {"POST": WRITE_LIMIT}

    @extend_schema(
        operation_id="redeliver_webhook_delivery",
        summary="Send a delivery again",
        description="With the same id and body, also one that arrived. Repeating it before it is sent changes nothing.",
        tags=TAGS,
        request=None,
        responses={200: forms.WebhookDeliveryInFull, **OFF},
    )
    def post(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        delivery = self.find("change")
        read_body(NoBody, request)
        return Response(delivery_in_full(deliveries.redeliver(delivery=delivery), request))
