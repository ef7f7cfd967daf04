"""Headers as they came, read from the scope and not from Django's joined ones."""

from typing import Any

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest
from django.test import RequestFactory

from personalq.lib.asgi import DROPPED_HEADERS
from personalq.lib.errors import InvalidInput, MalformedBody, MethodNotAllowed, PayloadTooLarge, UnsupportedMediaType
from webhooks.doors import bodies, guard
from webhooks.doors.guard import Presented

pytestmark = pytest.mark.security

NAME = "X-Door-Secret"


def request_with(*values: str, dropped: frozenset[bytes] = frozenset(), other: tuple[str, ...] = ()) -> ASGIRequest:
    pairs = [(b"x-door-secret", value.encode("latin-1")) for value in values]
    pairs += [(b"x-other-secret", value.encode("latin-1")) for value in other]
    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": "/", "headers": pairs, DROPPED_HEADERS: dropped}
    return ASGIRequest(scope, None)  # type: ignore[arg-type]


TWIN = frozenset({b"x-door-secret"})


@pytest.mark.parametrize(
    ("request_", "value", "presence"),
    [
        (request_with("one"), "one", "present"),
        (request_with(), "", "missing"),
        (request_with(""), "", "missing"),
        (request_with("  "), "", "missing"),
        (request_with("one", "one"), "", "contradictory"),
        (request_with("one", "two"), "", "contradictory"),
        (request_with("one", dropped=TWIN), "", "contradictory"),
        (request_with(dropped=TWIN), "", "contradictory"),
        (request_with("one", dropped=frozenset({b"x-unrelated"})), "one", "present"),
        (request_with("one", other=("one",)), "one", "present"),
        (request_with("one", other=("two",)), "", "contradictory"),
        (request_with("one", other=("",)), "", "contradictory"),
        (request_with("", other=("one",)), "", "contradictory"),
        (request_with(other=("one",)), "one", "present"),
        (request_with("\xe9"), "\xe9", "present"),
    ],
)
def test_what_a_request_presents(request_: HttpRequest, value: str, presence: str) -> None:
    found = guard.presented(request_, NAME, "X-Other-Secret")
    assert (found.value, found.presence) == (value, presence)


def test_secret_is_not_shown_by_what_holds_it() -> None:
    assert "planted" not in repr(Presented("planted", "present"))


@pytest.mark.parametrize(
    ("request_", "value"),
    [
        (request_with("one"), "one"),
        (request_with(" one\t"), "one"),
        (request_with("one", "one"), None),
        (request_with("one", dropped=TWIN), None),
        (request_with(), None),
    ],
)
def test_other_headers_count_only_when_they_come_once(request_: HttpRequest, value: str | None) -> None:
    assert guard.header(request_, NAME) == value


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete", "head", "options"])
def test_other_methods_have_no_place(method: str) -> None:
    with pytest.raises(MethodNotAllowed):
        guard.check_form(getattr(RequestFactory(), method)("/webhooks/in/x"))


class TestBodies:
    def post(self, body: bytes, content_type: str = "application/json", **meta: Any) -> HttpRequest:
        return RequestFactory().post("/", body, content_type=content_type, **meta)

    def test_bytes_are_those_that_were_sent(self) -> None:
        assert bodies.read(self.post(b' {"a": 1}\n'), limit_bytes=10) == b' {"a": 1}\n'

    def test_size_is_known_before_anything_is_read(self) -> None:
        request = self.post(b"x" * 11)
        with pytest.raises(PayloadTooLarge):
            bodies.read(request, limit_bytes=10)
        assert request.read() == b"x" * 11

    def test_body_that_tells_no_length_is_measured(self) -> None:
        request = self.post(b"x" * 11)
        del request.META["CONTENT_LENGTH"]
        with pytest.raises(PayloadTooLarge):
            bodies.read(request, limit_bytes=10)

    @pytest.mark.parametrize("told", ["9", "+2", "-1", "2 ", "0x2", "two", "٢"])
    def test_length_that_lies_is_refused(self, told: str) -> None:
        request = self.post(b"{}")
        request.META["CONTENT_LENGTH"] = told
        with pytest.raises(InvalidInput):
            bodies.read(request, limit_bytes=10)

    @pytest.mark.parametrize(
        "content_type",
        ["", "text/plain", "application/jsonp", "application/json, text/plain", "application/json; charset=latin-1"],
    )
    def test_other_types_are_refused(self, content_type: str) -> None:
        with pytest.raises(UnsupportedMediaType):
            bodies.read(self.post(b"{}", content_type), limit_bytes=10)

    @pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=UTF-8"])
    def test_json_is_taken(self, content_type: str) -> None:
        assert bodies.read(self.post(b"{}", content_type), limit_bytes=10) == b"{}"

    @pytest.mark.parametrize("body", [b"", b"[]", b"null", b'"x"', b"1", b"{", b'{"a":1,"a":2}', b"\xff"])
    def test_what_is_no_object_is_malformed(self, body: bytes) -> None:
        with pytest.raises(MalformedBody):
            bodies.json_object(body)
