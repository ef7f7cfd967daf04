from base64 import b64encode
from collections.abc import Iterator
from itertools import chain
from typing import Any

import pytest
from django.test import RequestFactory
from rest_framework.request import Request

from accounts.models import User
from personalq.lib.errors import InvalidInput
from personalq.lib.pagination import KeysetPagination


def page(path: str) -> tuple[list[int], KeysetPagination, Any]:
    pagination = KeysetPagination()
    rows = pagination.paginate_queryset(User.objects.all(), Request(RequestFactory().get(path)))
    assert rows is not None
    ids = [row.id for row in rows]
    return ids, pagination, pagination.get_paginated_response(ids).data


def encoded(text: str) -> str:
    return b64encode(text.encode()).decode()


@pytest.fixture
def ids(db: None) -> list[int]:
    users = User.objects.bulk_create([User(username=f"user-{number}") for number in range(30)])
    return sorted((user.pk for user in users), reverse=True)


def test_page_of_25_newest_first(ids: list[int]) -> None:
    found, _, answer = page("/api/v1/things?status=ready")
    assert found == ids[:25]
    assert list(answer) == ["results", "next", "previous"]
    assert answer["previous"] is None
    assert answer["next"].startswith("http://testserver/api/v1/things?cursor=")
    assert "status=ready" in answer["next"]


def walk(path: str | None, link: str) -> Iterator[list[int]]:
    while path:
        found, _, answer = page(path)
        yield found
        path = answer[link]


def test_pages_walk_to_the_end_and_back(ids: list[int]) -> None:
    forth = list(walk("/?page_size=7", "next"))
    assert list(chain(*forth)) == ids
    assert [len(each) for each in forth] == [7, 7, 7, 7, 2]
    *_, (_, _, last) = (page(path) for path in paths("/?page_size=7"))
    assert list(chain(*reversed(list(walk(last["previous"], "previous"))))) == ids[:28]


def paths(first: str) -> Iterator[str]:
    path: str | None = first
    while path:
        yield path
        path = page(path)[2]["next"]


def test_row_added_meanwhile_moves_nothing(ids: list[int]) -> None:
    answer = page("/?page_size=10")[2]
    User.objects.create(username="late")
    assert page(answer["next"])[0] == ids[10:20]


@pytest.mark.security
@pytest.mark.parametrize(
    "size", ["0", "-1", "101", "1000", "abc", "", "1.0", "%EF%BC%91", "1%00", "99999999999999999999"]
)
def test_bad_page_size_is_named(size: str) -> None:
    refuses(f"/?page_size={size}", "page_size")


@pytest.mark.security
@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "%00",
        "é",
        "cD0x!",
        "A" * 10_000,
        encoded("p=abc"),
        encoded("p=1\x00"),
        encoded("p=%00"),
        encoded("p=-1"),
        encoded("p=1.5"),
        encoded("p=99999999999999999999"),
        encoded("p=9223372036854775808"),
        encoded("p="),
        encoded("p=1&p=2"),
        encoded("r=2&p=1"),
        encoded("r=1"),
        encoded("o=1&p=1"),
        encoded("o=999999999999999&p=1"),
        encoded("x=1&p=1"),
        encoded("p=%EF%BC%91"),
        encoded("p=é"),
        encoded("p=2026-01-01"),
        encoded("p=1&r=1&o=0"),
        encoded("p=1;r=1"),
    ],
)
def test_bad_cursor_is_named(cursor: str) -> None:
    refuses(f"/?cursor={cursor}", "cursor")


@pytest.mark.security
def test_repeated_cursor_is_named() -> None:
    refuses(f"/?cursor={encoded('p=1')}&cursor={encoded('p=2')}", "cursor")


def refuses(path: str, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        page(path)
    assert [error.field for error in caught.value.errors] == [field]
