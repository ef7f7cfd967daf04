"""Who may send a large body, before any of it is read."""

from typing import Any
from unittest import mock

import pytest
from asgiref.sync import async_to_sync
from django.db import OperationalError

from accounts.models import User
from personalq.lib.errors import AppError, Unavailable
from tasks import reports
from tests.webhooks.doors.senders import make_door, request_of
from tests.webhooks.hostile import Sent
from webhooks.admission import who_sends_much
from webhooks.doors import keeping

pytestmark = pytest.mark.security

TASK = "6e0011d3-b40d-46d6-a5cd-7d7c0566e10e"
ADDRESS = f"/webhooks/runner/{TASK}/1"


def asked(path: str = ADDRESS, *headers: tuple[bytes, bytes]) -> Any:
    return async_to_sync(who_sends_much)({"type": "http", "path": path, "headers": list(headers)})


GIVEN = (b"x-webhook-secret", b"some-secret")


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (ADDRESS, ()),
        (ADDRESS, ((b"x-webhook-secret", b""),)),
        (ADDRESS, (GIVEN, (b"x-cursor-runner-secret", b"another"))),
        (ADDRESS, ((b"authorization", b"Bearer x"), (b"cookie", b"a=b"))),
        ("/webhooks/runner/x/1", (GIVEN,)),
        (f"{ADDRESS}/", (GIVEN,)),
        (f"/webhooks/runner/{'-' * 36}/1", (GIVEN,)),
        (f"{ADDRESS}/more", (GIVEN,)),
    ],
)
def test_what_cannot_be_good_is_refused_without_asking_the_database(
    path: str, headers: tuple[tuple[bytes, bytes], ...]
) -> None:
    with mock.patch.object(reports, "find") as find:
        assert asked(path, *headers) == ""
    find.assert_not_called()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("failure", "answer"), [(OperationalError("gone"), Unavailable), (RuntimeError("x"), AppError)]
)
def test_database_that_is_away_admits_nobody(failure: Exception, answer: type[AppError]) -> None:
    with mock.patch.object(reports, "find", side_effect=failure), pytest.raises(answer) as refused:
        asked(ADDRESS, GIVEN)
    assert type(refused.value) is answer


PADDED = {"type": "thing.happened", "text": "x" * 300_000}


def headers_of(sent: Sent) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in sent.headers]


@pytest.mark.django_db(transaction=True)
class TestDoors:
    @pytest.mark.parametrize("kind", ["standard", "github", "gitlab", "hmac", "elevenlabs"])
    def test_signed_body_may_be_large_where_there_is_such_a_door(self, kind: str, owner: User) -> None:
        new = make_door(owner, kind)
        sent = request_of(new, PADDED)
        assert asked(sent.path, *headers_of(sent)) == f"door {new.door.pk}"
        assert asked(sent.path, (b"content-type", b"application/json")) == ""
        keeping.close(actor=owner, door=new.door)
        assert asked(sent.path, *headers_of(sent)) == ""

    def test_telegram_brings_its_secret_before_the_body(self, owner: User) -> None:
        new = make_door(owner, "telegram")
        path, name = f"/webhooks/telegram/{new.door.uuid}", b"x-telegram-bot-api-secret-token"
        assert asked(path, (name, new.secret.encode())) == f"door {new.door.pk}"
        for wrong in ([], [(name, b"wrong")], [(name, new.secret.encode())] * 2, [(name, b"")]):
            assert asked(path, *wrong) == ""

    def test_door_is_none_of_another_address(self, owner: User) -> None:
        sent = request_of(make_door(owner, "github"))
        assert asked(sent.path.replace("/in/", "/elevenlabs/"), *headers_of(sent)) == ""
