"""Every hostile request against every door, over real sockets to the product as it is served."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from accounts.models import User
from tasks.models import Task
from tests.realtime.sockets.serving import WebProcess
from tests.webhooks.doors.senders import SIGN, call_payload, make_door, new_payload, request_of
from tests.webhooks.hostile import MUTATIONS, DoorUnderTest, doors_under_test, send, try_out
from webhooks.models import DoorKind

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.security]

DOORS = dict(doors_under_test())


@pytest.fixture(scope="module")
def web(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProcess]:
    often = "100000/m"
    with WebProcess(
        tmp_path_factory.mktemp("web"), PERSONALQ_RATE_DOOR=often, PERSONALQ_RATE_DOOR_FAILURE=often
    ) as process:
        yield process
        assert process.complaints == []


@pytest.mark.parametrize("make", DOORS.values(), ids=DOORS.keys())
def test_hostile_requests_write_nothing(make: Callable[[User], DoorUnderTest], web: WebProcess, owner: User) -> None:
    outcomes = try_out(make(owner), web.port)
    if report := os.environ.get("HOSTILE_TABLE"):
        with Path(report).open("a", encoding="utf-8") as table:
            table.writelines(f"{outcome.line}\n" for outcome in outcomes)
    assert [outcome for outcome in outcomes if not outcome.is_right] == []


def test_table_is_long_enough() -> None:
    assert len(MUTATIONS) * len(DOORS) >= 120


@pytest.mark.parametrize("kind", SIGN)
def test_good_requests_may_be_large_and_come_in_pieces(kind: str, web: WebProcess, owner: User) -> None:
    new = make_door(owner, kind, instruction="Sum up.")
    text = "x" * 900_000
    payload = call_payload(padding=text) if kind == DoorKind.ELEVENLABS else new_payload(text=text)
    sent = request_of(new, payload)
    status, body = send(web.port, replace(sent, framing="chunked"))
    assert (status, json.loads(body).keys()) == (200, {"received", "task"})
    assert send(web.port, sent)[0] == 200
    assert Task.objects.count() == 1
