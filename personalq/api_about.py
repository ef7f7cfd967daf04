"""The API about itself: its root, its OpenAPI document and the page made from that."""

import functools
from typing import Any, ClassVar, Final

from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import (
    OpenApiJsonRenderer,
    OpenApiJsonRenderer2,
    OpenApiYamlRenderer,
    OpenApiYamlRenderer2,
)
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import TemplateHTMLRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from personalq.api_docs import described
from personalq.lib.queries import StrictQuery
from personalq.lib.rate_limits import RateLimitedView
from personalq.lib.view_scopes import ANY

_ROUTES: Final = {
    "me": "api-me",
    "tasks": "api-tasks",
    "agents": "api-agents",
    "queues": "api-queues",
    "credentials": "api-credentials",
    "tokens": "api-tokens",
    "model_prices": "api-model-prices",
    "approvals": "api-approvals",
    "budgets": "api-budgets",
    "usage": "api-usage",
    "conversations": "api-conversations",
    "dead_letters": "api-dead-letters",
    "bulk_actions": "api-bulk-actions",
    "stop_switch": "api-stop-switch",
    "schema": "api-schema",
    "docs": "api-docs",
}


@functools.cache
def openapi_document() -> dict[str, Any]:
    """The OpenAPI document of all routes. It is the same for everybody, and making it takes long."""
    generator = SchemaGenerator()  # type: ignore[no-untyped-call]
    return dict(generator.get_schema(request=None, public=True))  # type: ignore[no-untyped-call]


class _AboutView(RateLimitedView):
    scope: ClassVar[str] = ANY
    permission_classes = (IsAuthenticated,)
    http_method_names = ("get", "head")
    rate_limits = {"GET": ("read", "PERSONALQ_RATE_READ"), "HEAD": ("read", "PERSONALQ_RATE_READ")}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        StrictQuery.read(request)


class Root(_AboutView):
    """Where to begin."""

    @extend_schema(
        operation_id="get_root",
        summary="List where to begin",
        tags=["about"],
        responses={200: {"type": "object", "additionalProperties": {"type": "string", "format": "uri"}}},
    )
    def get(self, request: Request) -> Response:
        return Response({name: reverse(route, request=request) for name, route in _ROUTES.items()})


class Schema(_AboutView):
    """This API in the words of OpenAPI 3.1, as JSON or YAML."""

    renderer_classes = (
        OpenApiJsonRenderer2,
        OpenApiJsonRenderer,
        OpenApiYamlRenderer2,
        OpenApiYamlRenderer,
    )

    @extend_schema(
        operation_id="get_schema",
        summary="Read the OpenAPI document",
        description="JSON, or YAML with `Accept: application/yaml`.",
        tags=["about"],
        responses={200: OpenApiTypes.OBJECT},
    )
    def get(self, request: Request) -> Response:  # noqa: ARG002 - a view's signature
        return Response(openapi_document())


class Docs(_AboutView):
    """The OpenAPI document as a page."""

    renderer_classes = (TemplateHTMLRenderer,)

    @extend_schema(
        operation_id="get_docs",
        summary="Read about this API on a page",
        tags=["about"],
        responses={(200, "text/html"): OpenApiTypes.STR},
    )
    def get(self, request: Request) -> Response:  # noqa: ARG002 - a view's signature
        return Response({"groups": described(openapi_document())}, template_name="api/docs.html")
