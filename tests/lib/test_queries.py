from typing import Any

import pytest
from django.test import RequestFactory
from rest_framework import serializers

from personalq.lib.errors import InvalidInput
from personalq.lib.queries import ListQuery, QueryBooleanField, QueryIntegerField, QueryUUIDField, StrictQuery

pytestmark = pytest.mark.security

ID = "123e4567-e89b-42d3-a456-426614174000"


class Query(StrictQuery):
    order = QueryIntegerField(min_value=-5, max_value=100, required=False)
    paused = QueryBooleanField(required=False)
    agent = QueryUUIDField(required=False)


class Listing(ListQuery):
    order = QueryIntegerField(min_value=0, max_value=100, required=False)


def read(query: str, kind: type[StrictQuery] = Query) -> dict[str, Any]:
    return kind.read(RequestFactory().get(f"/?{query}"))


def test_parameters_are_read() -> None:
    assert read("") == {}
    assert read("order=-5&paused=false") == {"order": -5, "paused": False}
    assert str(read(f"agent={ID}")["agent"]) == ID


@pytest.mark.parametrize(
    "query",
    [
        "order=",
        "order=abc",
        "order=1%00",
        "order=1.0",
        "order=+1",
        "order=%2B1",
        "order=%201",
        "order=101",
        "order=99999999999999999999",
        "order=%EF%BC%91",
        "order=1_0",
        "order=%D9%A1",
        "paused=1",
        "paused=True",
        "paused=",
        "agent=1",
        f"agent={ID.replace('-', '')}",
        "agent=%00",
        "unknown=1",
        "order__gt=1",
        "%00=1",
        "_method=DELETE",
        "token=x",
    ],
)
def test_bad_and_unknown_parameters_are_named(query: str) -> None:
    with pytest.raises(serializers.ValidationError) as caught:
        read(query)
    assert isinstance(caught.value.detail, dict)


def test_repeated_parameters_are_named() -> None:
    with pytest.raises(InvalidInput) as caught:
        read("order=1&order=2")
    assert [(error.field, error.code) for error in caught.value.errors] == [("order", "repeated")]


def test_lists_leave_the_parameters_of_pagination_to_it() -> None:
    assert read("cursor=x&page_size=5&order=1", Listing) == {"order": 1}
    with pytest.raises(serializers.ValidationError):
        read("cursor=x")
