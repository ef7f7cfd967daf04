"""Webhook endpoints: list, create, read, change, delete, and what can be asked of one."""

from typing import Any, ClassVar
from uuid import UUID

from django.views.decorators.debug import sensitive_variables
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.idempotent import IdempotentPost
from personalq.lib.fields import NoBody
from personalq.lib.negotiation import JsonWithoutType
from personalq.lib.openapi import conflict, no_content
from personalq.lib.pagination import PageParameters
from personalq.lib.queries import ListQuery
from webhooks import access
from webhooks.api import endpoint_forms as forms
from webhooks.api.base import READ_LIMIT, WRITE_LIMIT, ApiView, Deed, ObjectView, created, read_body
from webhooks.api.endpoint_rows import delivery_in_full, endpoint_row, endpoint_rows
from webhooks.models import Endpoint
from webhooks.outbound import deliveries, endpoints

TAGS = ["webhook endpoints"]
OFF = conflict("`endpoint_off`: the endpoint is switched off.")
_USED = "`idempotency_key_used`: the secret was made before and cannot be shown again."
_TAKEN = "`name_taken`: you have an endpoint of this name."


class EndpointList(IdempotentPost, ApiView):
    """Your webhook endpoints."""

    query_class = ListQuery
    rate_limits: ClassVar = {"GET": READ_LIMIT, "HEAD": READ_LIMIT, "POST": WRITE_LIMIT}
    answer_holds_secret: ClassVar[bool] = True

    @extend_schema(
        operation_id="list_webhook_endpoints",
        summary="List your webhook endpoints",
        tags=TAGS,
        parameters=[PageParameters],
        responses={200: forms.WebhookEndpointPage},
    )
    def get(self, request: Request) -> Response:
        return self.page(endpoint_rows(access.endpoints_of(self.user)), endpoint_row(request))

    @extend_schema(
        operation_id="create_webhook_endpoint",
        summary="Make a webhook endpoint",
        description="The answer is the only one that holds its secret, with which every delivery is signed.",
        tags=TAGS,
        request=forms.EndpointForm,
        responses={
            201: forms.NewWebhookEndpoint,
            **conflict(f"{_TAKEN} `quota_reached`: you have as many as you may. {_USED}"),
        },
    )
    @sensitive_variables()
    def post(self, request: Request) -> Response:
        new = endpoints.create(actor=self.user, **read_body(forms.EndpointForm, request))
        return created({**endpoint_row(request)(new.endpoint), "secret": new.secret})


class OneEndpointView(ObjectView[Endpoint]):
    """What all routes about one endpoint share."""

    def fetch(self, uuid: UUID, deed: Deed) -> Endpoint:
        return access.endpoint_for(self.user, uuid, deed)


class OneEndpoint(OneEndpointView):
    """One webhook endpoint."""

    rate_limits: ClassVar = {"GET": READ_LIMIT, "HEAD": READ_LIMIT, "PATCH": WRITE_LIMIT, "DELETE": WRITE_LIMIT}

    @extend_schema(
        operation_id="get_webhook_endpoint",
        summary="Read a webhook endpoint",
        tags=TAGS,
        responses={200: forms.WebhookEndpoint},
    )
    def get(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        return Response(endpoint_row(request)(self.find("view")))

    @extend_schema(
        operation_id="change_webhook_endpoint",
        summary="Change a webhook endpoint",
        description="What is not sent stays. What waits goes to a new address at once.",
        tags=TAGS,
        request=forms.EndpointChangesForm,
        responses={200: forms.WebhookEndpoint, **conflict(_TAKEN)},
    )
    def patch(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        endpoint, changes = self.find("change"), read_body(forms.EndpointChangesForm, request)
        changed = endpoints.change(actor=self.user, endpoint=endpoint, **changes)
        return Response(endpoint_row(request)(changed))

    @extend_schema(
        operation_id="delete_webhook_endpoint",
        summary="Delete a webhook endpoint",
        description="Its deliveries go with it, also those that wait.",
        tags=TAGS,
        responses=no_content("The endpoint is deleted."),
    )
    def delete(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        endpoints.delete(actor=self.user, endpoint=self.find("change"))
        return Response(status=204)


class RotateEndpoint(IdempotentPost, OneEndpointView):
    """A new secret for a webhook endpoint."""

    rate_limits: ClassVar = {"POST": WRITE_LIMIT}
    answer_holds_secret: ClassVar[bool] = True

    @extend_schema(
        operation_id="rotate_webhook_endpoint",
        summary="Give a webhook endpoint a new secret",
        description=(
            "The answer is the only one that holds it. For the time that you choose deliveries carry the signatures "
            "of both. An old one that an earlier rotation kept ends at once."
        ),
        tags=TAGS,
        request=forms.EndpointRotationForm,
        responses={201: forms.NewWebhookEndpoint, **conflict(_USED)},
    )
    @sensitive_variables()
    def post(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        endpoint = self.find("change")
        secret = endpoints.rotate(actor=self.user, endpoint=endpoint, **read_body(forms.EndpointRotationForm, request))
        return created({**endpoint_row(request)(endpoint), "secret": secret})


class SwitchEndpoint(OneEndpointView):
    """A POST that switches an endpoint; its body may be left out. Repeating it changes nothing."""

    content_negotiation_class = JsonWithoutType
    rate_limits: ClassVar = {"POST": WRITE_LIMIT}

    def switch(self, endpoint: Endpoint) -> Endpoint:
        """Do it."""
        raise NotImplementedError

    def post(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        endpoint = self.find("change")
        read_body(NoBody, request)
        return Response(endpoint_row(request)(self.switch(endpoint)))


def _describe(word: str) -> Any:
    def decorate(view: type[SwitchEndpoint]) -> Any:
        operation = extend_schema(
            operation_id=f"switch_webhook_endpoint_{word}",
            summary=f"Switch a webhook endpoint {word}",
            description=f"{view.__doc__} Repeating it changes nothing.",
            tags=TAGS,
            request=None,
            responses={200: forms.WebhookEndpoint},
        )
        return extend_schema_view(post=operation)(view)

    return decorate


@_describe("on")
class SwitchEndpointOn(SwitchEndpoint):
    """What waits for it is sent now, with three days to arrive."""

    def switch(self, endpoint: Endpoint) -> Endpoint:
        return endpoints.turn_on(actor=self.user, endpoint=endpoint)


@_describe("off")
class SwitchEndpointOff(SwitchEndpoint):
    """Nothing new is written for it. What waits goes on waiting."""

    def switch(self, endpoint: Endpoint) -> Endpoint:
        return endpoints.turn_off(actor=self.user, endpoint=endpoint)


class TestEndpoint(IdempotentPost, OneEndpointView):
    """A test of a webhook endpoint."""

    __test__ = False  # pytest takes classes of such names for tests
    content_negotiation_class = JsonWithoutType
    rate_limits: ClassVar = {"POST": WRITE_LIMIT}

    @extend_schema(
        operation_id="test_webhook_endpoint",
        summary="Send a test delivery",
        description="A signed delivery of the type `ping`; read it again to see how it was answered.",
        tags=TAGS,
        request=None,
        responses={201: forms.WebhookDeliveryInFull, **OFF},
    )
    def post(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        endpoint = self.find("change")
        read_body(NoBody, request)
        return created(delivery_in_full(endpoints.send_test(endpoint=endpoint), request))


class RedeliverFailed(OneEndpointView):
    """Sending everything again that was given up."""

    content_negotiation_class = JsonWithoutType
    rate_limits: ClassVar = {"POST": WRITE_LIMIT}

    @extend_schema(
        operation_id="redeliver_failed_webhook_deliveries",
        summary="Send everything again that was given up",
        description="With the same ids and bodies. Repeating it finds nothing more.",
        tags=TAGS,
        request=None,
        responses={200: forms.Redelivered, **OFF},
    )
    def post(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        endpoint = self.find("change")
        read_body(NoBody, request)
        return Response({"redelivered": deliveries.redeliver_failed(endpoint=endpoint)})
