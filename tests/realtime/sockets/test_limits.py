"""Nobody can take more of a web process than is meant for one."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction

from accounts.models import User
from tasks import events
from tasks.models import Agent, Task
from tests.makers import make_agent, make_task
from tests.realtime.sockets.conftest import Connect
from tests.realtime.sockets.serving import WebProcess, wait_for
from tests.realtime.sockets.talking import Client, token_of
from tests.realtime.sockets.writing import ids_of, write

pytestmark = [pytest.mark.security, pytest.mark.django_db(transaction=True)]


@pytest.fixture(scope="module")
def small_web(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProcess]:
    limits: dict[str, Any] = {
        "PERSONALQ_SOCKET_AUTH_SECONDS": "30",
        "PERSONALQ_SOCKETS_PER_USER": "3",
        "PERSONALQ_SOCKETS_UNAUTHENTICATED": "3",
        "PERSONALQ_SOCKET_SUBSCRIPTIONS": "2",
        "PERSONALQ_SOCKET_BUFFER_BYTES": "262144",
    }
    with WebProcess(tmp_path_factory.mktemp("small"), **limits) as process:
        yield process
        assert process.complaints == []


@pytest.fixture
def task(agent: Agent) -> Task:
    return make_task(agent)


def test_talking_too_fast_closes_with_4429(connect: Connect, alice: User) -> None:
    client = connect(alice)
    for _ in range(1_000):
        client.send('{"action": "ping"}')
    heard = list(client.rest())
    assert (client.close_code, heard[-1]["error_code"]) == (4429, "rate_limited")
    assert 39 <= [frame["event"] for frame in heard].count("pong") < 1_000


def test_talking_at_the_allowed_pace_goes_on(connect: Connect, alice: User) -> None:
    client = connect(alice)
    assert [client.ask("ping")["event"] for _ in range(39)] == ["pong"] * 39


def test_socket_too_many_of_a_user_closes_with_4413(
    small_web: WebProcess, connect: Connect, alice: User, bob: User
) -> None:
    clients = [connect(alice, url=small_web.url) for _ in range(3)]
    surplus = connect(url=small_web.url)
    surplus.say("auth", token=token_of(alice))
    assert surplus.end() == (4413, "too_many_sockets")
    assert connect(bob, url=small_web.url).ask("ping") == {"event": "pong"}
    clients.pop().connection.close()
    wait_for(lambda: gets_in(connect, small_web, alice), "the place of a closed socket")


def gets_in(connect: Connect, web: WebProcess, user: User) -> bool:
    client = connect(url=web.url)
    answer = client.ask("auth", token=token_of(user))
    client.connection.close()
    return bool(answer["event"] == "authenticated")


def test_stranger_who_waits_longest_makes_room(small_web: WebProcess, connect: Connect, alice: User) -> None:
    strangers = [connect(url=small_web.url) for _ in range(4)]
    assert strangers[0].end() == (4413, "too_many_sockets")
    strangers[1].sign_in(token_of(alice))
    connect(url=small_web.url)
    connect(url=small_web.url)
    assert strangers[2].end() == (4413, "too_many_sockets")
    assert strangers[1].ask("ping") == {"event": "pong"}


def test_subscriptions_of_a_socket_are_limited(
    small_web: WebProcess, connect: Connect, alice: User, agent: Agent
) -> None:
    client, tasks = connect(alice, url=small_web.url), [make_task(agent) for _ in range(3)]
    client.subscribe(tasks[0].uuid)
    client.subscribe(tasks[1].uuid)
    refusal = client.ask("subscribe", to=str(tasks[2].uuid))
    assert (refusal["error_code"], refusal["to"]) == ("too_many_subscriptions", str(tasks[2].uuid))
    client.ask("unsubscribe", to=str(tasks[0].uuid))
    client.subscribe(tasks[2].uuid)


@pytest.mark.parametrize("character", ["a", "é", "€", "😀", "\n", "\x01", '"'])
def test_frame_never_exceeds_32_kib(character: str, connect: Connect, alice: User, task: Task) -> None:
    client = connect(alice)
    client.subscribe()
    (number,) = write(task, kind=events.OUTPUT, text=character * 40_000, offset=7)
    frame = next_text(client)
    assert 30_000 < len(frame.encode()) <= 32_768
    event = json.loads(frame)
    assert event["id"] == number
    assert event["truncated"] is True
    assert event["link"] == f"/api/v1/tasks/{task.uuid}/events?after={number - 1}"
    assert event["data"]["offset"] == 7
    assert event["data"]["text"] == character * len(event["data"]["text"])


def next_text(client: Client) -> str:
    """The next frame of an event that is not the task's creation."""
    while True:
        frame = client.connection.recv(timeout=20)
        assert isinstance(frame, str)
        if json.loads(frame)["event"] != "task_created":
            return frame


def test_data_without_long_texts_are_left_out_when_too_large(connect: Connect, alice: User, task: Task) -> None:
    client = connect(alice)
    client.subscribe()
    write(task, numbers=list(range(20_000)))
    event = json.loads(next_text(client))
    assert (event["data"], event["truncated"]) == ({}, True)


def test_short_data_are_told_whole(connect: Connect, alice: User, task: Task) -> None:
    client = connect(alice)
    client.subscribe()
    write(task, text="a" * 32_000)
    event = json.loads(next_text(client))
    assert event["data"] == {"text": "a" * 32_000}
    assert "truncated" not in event


def slow_socket(web: WebProcess) -> socket.socket:
    """A socket that takes in little ahead of its reader."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", web.port))
    return sock


def write_much(task: Task) -> None:
    """About 20 MB of events, more than any buffer on the way."""
    with transaction.atomic():
        for _ in range(700):
            events.record(task, events.OUTPUT, text="a" * 30_000, offset=0)


def test_slow_reader_is_sent_away_and_misses_nothing(
    small_web: WebProcess, connect: Connect, alice: User, bob: User, task: Task
) -> None:
    options: dict[str, Any] = {"url": small_web.url, "sock": slow_socket(small_web), "max_queue": 1}
    slow, witness = connect(alice, **options), connect(bob, url=small_web.url)
    start = slow.subscribe()
    witness.subscribe()
    write_much(task)
    own = make_task(make_agent(bob))
    # What comes in order to another one has passed the slow one before.
    assert witness.hear()["task"] == str(own.uuid)
    told = [frame["id"] for frame in slow.rest() if "id" in frame]
    assert slow.close_code == 1013
    expected = ids_of(task, after=start)
    assert told == expected[: len(told)]
    assert len(told) < len(expected)
    again = connect(alice, url=small_web.url)
    again.subscribe(after=told[-1])
    *missed, _ = again.hear_until("resumed")
    assert told + [frame["id"] for frame in missed] == expected


def test_burst_beyond_the_buffer_reaches_who_keeps_up(connect: Connect, alice: User, task: Task) -> None:
    client = connect(alice)
    start = client.subscribe()
    with transaction.atomic():
        for _ in range(199):
            events.record(task, events.OUTPUT, text="a" * 8_000, offset=0)
    last = write(task)[-1]
    assert client.hear_ids(up_to=last) == ids_of(task, after=start)


def test_slow_reader_of_a_replay_is_waited_for(
    small_web: WebProcess, connect: Connect, alice: User, task: Task
) -> None:
    write_much(task)
    client = connect(alice, url=small_web.url, sock=slow_socket(small_web), max_queue=1)
    client.subscribe(after=0)
    *missed, end = client.hear_until("resumed")
    assert [frame["id"] for frame in missed] == ids_of(task)
    assert end["count"] == 701
