"""Requests with an Idempotency-Key: done once, answered as often as they come."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from io import BytesIO
from itertools import count
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.db import IntegrityError
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory, force_authenticate
from rest_framework.views import APIView

from accounts import jobs
from accounts.api.idempotent import IdempotentPost, read_key
from accounts.idempotency import (
    Answer,
    IdempotencyKeyReused,
    answer_once,
    fingerprint_of,
)
from accounts.models import IdempotencyKey, User
from personalq.lib.errors import Conflict, InvalidInput
from tests.makers import make_user

pytestmark = pytest.mark.django_db
DAY = timedelta(hours=24)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def work() -> Callable[[], Answer]:
    """Answers with the number of times that it was done."""
    times = count(1)
    return lambda: Answer(status=201, headers={"Location": "/made"}, body=b"%d" % next(times))


@pytest.fixture
def once(alice: User, work: Callable[[], Answer]) -> Callable[..., Answer]:
    return partial(answer_once, actor=alice, key="k", fingerprint="f", work=work)


def grow_older(age: timedelta) -> None:
    IdempotencyKey.objects.update(created_at=timezone.now() - age)


class TestOnce:
    def test_repeated_request_gets_the_first_answer(self, once: Callable[..., Answer]) -> None:
        first, second = once(), once()
        assert (first.status, first.headers, first.body) == (201, {"Location": "/made"}, b"1")
        assert (second.status, second.headers, second.body) == (201, {"Location": "/made"}, b"1")
        assert (first.is_replayed, second.is_replayed) == (False, True)

    def test_other_keys_and_other_users_are_other_requests(self, once: Callable[..., Answer]) -> None:
        assert [once().body, once(key="other").body, once(actor=make_user("bob")).body] == [b"1", b"2", b"3"]

    def test_key_of_another_request_is_refused(self, once: Callable[..., Answer]) -> None:
        once()
        with pytest.raises(IdempotencyKeyReused):
            once(fingerprint="other")

    def test_raised_error_leaves_the_key_unused(self, once: Callable[..., Answer], alice: User) -> None:
        def refuse() -> Answer:
            User.objects.filter(pk=alice.pk).update(first_name="half done")
            raise Conflict

        with pytest.raises(Conflict):
            once(work=refuse)
        alice.refresh_from_db()
        assert alice.first_name == ""
        assert (once().body, once().body) == (b"1", b"1")

    @pytest.mark.parametrize("status", [400, 409, 500])
    def test_answered_error_is_undone_and_leaves_the_key_unused(
        self, once: Callable[..., Answer], alice: User, status: int
    ) -> None:
        def refuse() -> Answer:
            User.objects.filter(pk=alice.pk).update(first_name="half done")
            return Answer(status=status, headers={})

        assert once(work=refuse).status == status
        alice.refresh_from_db()
        assert alice.first_name == ""
        assert not IdempotencyKey.objects.exists()

    def test_work_is_undone_when_its_record_cannot_be_kept(self, once: Callable[..., Answer], alice: User) -> None:
        def work() -> Answer:
            User.objects.filter(pk=alice.pk).update(first_name="half done")
            return Answer(status=100, headers={})

        with pytest.raises(IntegrityError, match="idempotency_key_keeps_no_error"):
            once(work=work)
        alice.refresh_from_db()
        assert alice.first_name == ""

    def test_key_is_kept_for_a_day(self, once: Callable[..., Answer]) -> None:
        once()
        grow_older(DAY - MINUTE)
        assert once().is_replayed

    def test_older_key_is_unused_although_it_is_still_there(self, once: Callable[..., Answer]) -> None:
        once()
        grow_older(DAY)
        assert (once(fingerprint="other").body, once(fingerprint="other").body) == (b"2", b"2")


class TestFingerprint:
    def test_method_path_and_body_make_a_request(self) -> None:
        request = {"method": "POST", "path": "/a", "body": b"{}"}
        others: list[dict[str, Any]] = [{"method": "PUT"}, {"path": "/b"}, {"body": b"{ }"}, {"path": "/a\n{}"}]
        found = [fingerprint_of(**{**request, **other}) for other in [{}, *others]]
        assert len(set(found)) == 5

    def test_same_request_has_the_same_fingerprint(self) -> None:
        assert fingerprint_of(method="POST", path="/a", body=b"") == fingerprint_of(method="POST", path="/a", body=b"")

    @pytest.mark.security
    def test_guesses_about_a_body_cannot_be_tested_without_our_key(self, settings: Any) -> None:
        before = fingerprint_of(method="POST", path="/a", body=b"{}")
        settings.SECRET_KEY = "another one that is long enough to be taken"
        assert fingerprint_of(method="POST", path="/a", body=b"{}") != before


class TestPruning:
    def test_forgets_what_is_older_than_a_day(self, once: Callable[..., Answer]) -> None:
        once()
        grow_older(DAY)
        once(key="young")
        jobs.prune()
        assert [each.key for each in IdempotencyKey.objects.all()] == ["young"]

    def test_keys_go_with_their_user(self, once: Callable[..., Answer], alice: User) -> None:
        once()
        alice.delete()
        assert not IdempotencyKey.objects.exists()


@pytest.mark.security
def test_neither_key_nor_answer_is_in_any_text_about_it(alice: User) -> None:
    answer = Answer(status=201, headers={}, body=b"canary")
    answer_once(actor=alice, key="the-key", fingerprint="f", work=lambda: answer)
    kept = IdempotencyKey.objects.get()
    assert "canary" not in f"{answer!r} {kept!r} {kept}"
    assert "the-key" not in f"{kept!r} {kept}"


class Minting(IdempotentPost):
    """A view whose answer holds a secret."""

    answer_holds_secret = True

    def post(self, request: Request) -> Response:
        return Response({"secret": "canary"}, status=201, headers={"Location": "/made?canary"})


def ask(view: type[APIView], user: User, *, body: Any = None, key: str = "k") -> Any:
    request = APIRequestFactory().post("/mint", body or {}, format="json", headers={"Idempotency-Key": key})
    force_authenticate(request, user)
    answer: Any = view.as_view()(request)
    return answer if answer.status_code < 400 else (answer.status_code, answer.error.code)


@pytest.mark.security
class TestSecretAnswer:
    def test_first_answer_holds_the_secret(self, alice: User) -> None:
        assert ask(Minting, alice).content == b'{"secret":"canary"}'

    def test_repeated_request_is_told_that_it_was_done(self, alice: User) -> None:
        ask(Minting, alice)
        assert ask(Minting, alice) == (409, "idempotency_key_used")

    def test_another_request_with_the_key_learns_no_more(self, alice: User) -> None:
        ask(Minting, alice)
        assert ask(Minting, alice, body={"a": 1}) == (422, "idempotency_key_reused")

    def test_nothing_of_the_answer_is_stored(self, alice: User) -> None:
        ask(Minting, alice)
        kept = IdempotencyKey.objects.get()
        assert (kept.status, kept.headers, kept.body) == (201, {}, None)


def received(*headers: tuple[bytes, bytes]) -> ASGIRequest:
    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": headers}
    return ASGIRequest(scope, BytesIO())


def key_header(*values: bytes) -> Iterator[tuple[bytes, bytes]]:
    return ((b"idempotency-key", value) for value in values)


class TestHeader:
    @pytest.mark.parametrize("key", ["k", "!", "~", '"quoted"', "one,two", "x" * 255])
    def test_key_is_taken_as_it_is(self, key: str) -> None:
        assert read_key(received(*key_header(key.encode()))) == key

    def test_blanks_around_the_key_do_not_belong_to_it(self) -> None:
        assert read_key(received(*key_header(b" \tk\t "))) == "k"

    def test_request_without_the_header_has_no_key(self) -> None:
        assert read_key(received((b"accept", b"*/*"))) is None

    @pytest.mark.security
    @pytest.mark.parametrize(
        "key",
        [
            b"", b"two words", b"\x7f", b"\t", "é".encode(), b"\xff", b"k\n", b"x" * 256, b"x" * 60_000, b"\x00",
            b"k\x00", b"\x1b[31m", b"\r\nFLUSHALL\r\n", b"*3\r\n$3\r\nSET", b"\xed\xa0\x80", "\u202ek".encode(),
        ],
    )  # fmt: skip
    def test_anything_but_visible_ascii_is_refused(self, key: bytes) -> None:
        with pytest.raises(InvalidInput) as refused:
            read_key(received(*key_header(key)))
        assert [(each.field, each.code) for each in refused.value.errors] == [("Idempotency-Key", "invalid")]

    @pytest.mark.parametrize("second", [b"one", b"two"])
    def test_header_that_comes_twice_is_refused(self, second: bytes) -> None:
        with pytest.raises(InvalidInput) as refused:
            read_key(received(*key_header(b"one", second)))
        assert [(each.field, each.code) for each in refused.value.errors] == [("Idempotency-Key", "repeated")]
