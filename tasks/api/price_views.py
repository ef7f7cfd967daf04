"""What models cost here, for whoever plans a budget. Operators change it in the admin."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from personalq.lib.pagination import KeysetPagination, PageParameters
from personalq.lib.queries import ListQuery
from tasks.api.base import READ_LIMIT, ApiView
from tasks.spending import prices


class ModelPriceRow(serializers.Serializer[Any]):
    """US dollars for a million tokens, and how many tokens a model takes."""

    provider = serializers.CharField(help_text="`anthropic`, `openai` or `command`.")
    model = serializers.CharField(help_text="A name; with * at its end every name that begins so.")
    input_price = serializers.DecimalField(max_digits=12, decimal_places=6)
    cached_input_price = serializers.DecimalField(
        max_digits=12, decimal_places=6, allow_null=True, help_text="Null: as other input."
    )
    output_price = serializers.DecimalField(max_digits=12, decimal_places=6)
    context_window = serializers.IntegerField(help_text="Tokens that fit in, prompt and answer together.")
    most_output = serializers.IntegerField(help_text="Tokens that one answer may have.")
    updated_at = serializers.DateTimeField()


class ModelPricePage(serializers.Serializer[Any]):
    """Prices, newest first."""

    results = ModelPriceRow(many=True)
    next = serializers.URLField(allow_null=True, help_text="The next page; null on the last one.")
    previous = serializers.URLField(allow_null=True)


class ModelPriceList(ApiView):
    """The price table."""

    scope: ClassVar[str] = "budgets"
    query_class = ListQuery
    rate_limits: ClassVar = {"GET": READ_LIMIT, "HEAD": READ_LIMIT}

    @extend_schema(
        operation_id="list_model_prices",
        summary="List the prices of models",
        description="The same for everybody. Of several rows that fit a model the longest counts.",
        tags=["budgets"],
        parameters=[PageParameters],
        responses={200: ModelPricePage},
    )
    def get(self, request: Request) -> Response:
        pages = KeysetPagination()
        found = pages.paginate_queryset(prices.all_prices(), request, view=self) or []
        return pages.get_paginated_response(ModelPriceRow(found, many=True).data)
