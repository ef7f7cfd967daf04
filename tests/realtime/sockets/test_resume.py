"""What was missed is told once and in order, also while more happens."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from django.db import connections

from accounts.models import User
from tasks.models import Agent, Task
from tests.makers import make_agent, make_operator, make_task
from tests.realtime.sockets.conftest import Connect, StartWeb
from tests.realtime.sockets.talking import Client, Frame
from tests.realtime.sockets.writing import ids_of, write

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def task(agent: Agent) -> Task:
    return make_task(agent)


def replayed(client: Client) -> tuple[list[int], Frame]:
    """The ids of a replay and the frame that ends it."""
    *told, end = client.hear_until("resumed")
    return [frame["id"] for frame in told], end


def test_subscribing_after_an_event_tells_what_was_missed(connect: Connect, alice: User, task: Task) -> None:
    missed = write(task, 5)
    client = connect(alice)
    position = client.subscribe(after=missed[1])
    ids, end = replayed(client)
    assert ids == missed[2:]
    assert end == {
        "event": "resumed", "after": missed[1], "count": 3, "last_event_id": end["last_event_id"],
    }  # fmt: skip
    assert missed[-1] <= position <= end["last_event_id"]
    last = write(task, 2)[-1]
    assert client.hear_ids(up_to=last) == ids_of(task, after=missed[-1])


def test_resume_before_the_first_subscription_gives_it_its_beginning(connect: Connect, alice: User, task: Task) -> None:
    missed = write(task, 5)
    client = connect(alice)
    first = client.ask("resume", after=missed[0])
    assert (first["event"], first["after"], first["count"]) == ("resumed", missed[0], 0)
    client.subscribe()
    assert replayed(client)[0] == missed[1:]
    other_start = client.subscribe(task.uuid)
    assert client.ask("ping") == {"event": "pong"}, f"nothing is told again up to {other_start}"


def test_resume_after_live_events_tells_only_what_lies_before(connect: Connect, alice: User, task: Task) -> None:
    missed = write(task, 6)
    client = connect(alice)
    client.subscribe(after=missed[3])
    assert replayed(client)[0] == missed[4:]
    live = write(task, 3)
    assert client.hear_ids(up_to=live[-1]) == live
    client.say("resume", after=missed[1])
    assert replayed(client)[0] == missed[2:4]
    client.say("resume", after=missed[1])
    assert replayed(client)[0] == []
    client.say("resume", after=missed[0] - 1)
    assert replayed(client)[0] == missed[:2]
    assert client.hear_ids(up_to=write(task)[0])


def test_replay_of_several_subscriptions_tells_each_event_once(connect: Connect, alice: User, agent: Agent) -> None:
    tasks = [make_task(agent) for _ in range(3)]
    start = ids_of(*tasks)[-1]
    for _ in range(3):
        for task in tasks:
            write(task)
    client = connect(alice)
    client.subscribe(tasks[0].uuid, after=start)
    assert replayed(client)[0] == ids_of(tasks[0], after=start)
    client.subscribe(tasks[1].uuid, after=start)
    assert replayed(client)[0] == ids_of(tasks[1], after=start)
    client.subscribe("all", after=start)
    assert replayed(client)[0] == ids_of(tasks[2], after=start)
    last = [write(task) for task in tasks][-1][-1]
    assert client.hear_ids(up_to=last) == ids_of(*tasks)[-3:]


def test_operator_replays_own_and_foreign_tasks_together(connect: Connect, task: Task) -> None:
    operator = make_operator()
    own = make_task(make_agent(operator))
    start = ids_of(task, own)[-1]
    client = connect(operator)
    client.subscribe()
    client.subscribe(task.uuid)
    client.say("resume", after=start - 1)
    replayed(client)
    for _ in range(250):
        write(task)
        write(own)
    assert client.hear_ids(up_to=write(own)[-1]) == ids_of(task, own, after=start)
    again = connect(operator)
    again.ask("resume", after=start)
    again.subscribe()
    assert replayed(again)[0] == ids_of(own, after=start)
    again.subscribe(task.uuid, after=start)
    assert replayed(again)[0] == ids_of(task, after=start)
    third = connect(operator)
    third.subscribe()
    third.subscribe(task.uuid)
    third.say("resume", after=start)
    assert replayed(third)[0] == ids_of(task, own, after=start)


@contextmanager
def writing_on(task: Task) -> Iterator["Future[list[int]]"]:
    """Keeps writing events until the block ends; the future then holds their ids."""
    is_over = threading.Event()

    def keep_writing() -> list[int]:
        try:
            ids = write(task)
            while not is_over.is_set():
                ids += write(task)
            return ids
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(keep_writing)
        try:
            yield written
        finally:
            is_over.set()


def subscribe_after(client: Client, position: int) -> None:
    client.subscribe(after=position)


def resume_then_subscribe(client: Client, position: int) -> None:
    client.ask("resume", after=position)
    client.subscribe()


@pytest.mark.parametrize("begin", [subscribe_after, resume_then_subscribe])
def test_each_event_is_told_once_and_in_order_across_replay_and_live(
    begin: Callable[[Client, int], None], connect: Connect, alice: User, task: Task
) -> None:
    start = write(task, 500)[0]
    heard: list[list[int]] = []
    clients = [connect(alice) for _ in range(4)]
    with writing_on(task) as written:
        for client in clients:
            begin(client, start)
            heard.append(replayed(client)[0])
    last = written.result()[-1]
    for client, ids in zip(clients, heard, strict=True):
        told = ids if ids[-1] == last else ids + client.hear_ids(up_to=last)
        assert told == ids_of(task, after=start)


def test_resume_of_a_live_socket_while_events_keep_coming_repeats_nothing(
    connect: Connect, alice: User, task: Task
) -> None:
    missed = write(task, 300)
    client = connect(alice)
    with writing_on(task) as written:
        client.subscribe(after=missed[-1])
        first, _ = replayed(client)
        client.say("resume", after=missed[0])
        second = [frame["id"] for frame in client.hear_until("resumed") if "id" in frame]
    last = written.result()[-1]
    told = first + second
    if last not in told:
        told += client.hear_ids(up_to=last)
    assert sorted(told) == ids_of(task, after=missed[0])
    gap = [number for number in told if number <= missed[-1]]
    assert gap == missed[1:]
    live = [number for number in told if number > missed[-1]]
    assert live == sorted(live)


def test_reconnecting_to_another_web_process_loses_and_repeats_nothing(
    connect: Connect, start_web: StartWeb, alice: User, task: Task
) -> None:
    start, other_url = ids_of(task)[-1], start_web().url
    told: list[int] = []
    with writing_on(task) as written:
        for number in range(6):
            client = connect(alice, **({"url": other_url} if number % 2 else {}))
            client.subscribe(after=told[-1] if told else start)
            told += replayed(client)[0]
            told += [client.hear()["id"] for _ in range(20)]
    last = written.result()[-1]
    client = connect(alice)
    client.subscribe(after=told[-1])
    told += replayed(client)[0]
    if told[-1] != last:
        told += client.hear_ids(up_to=last)
    assert told == ids_of(task, after=start)


def test_position_beyond_the_history_is_refused(connect: Connect, alice: User) -> None:
    client = connect(alice)
    client.say("subscribe", to="all", after=2**63 - 1)
    assert client.hear()["error_code"] == "unknown_position"
    assert client.ask("ping") == {"event": "pong"}


@pytest.mark.security
def test_replay_holds_nothing_of_others(connect: Connect, bob: User, task: Task) -> None:
    write(task, 5)
    own = make_task(make_agent(bob))
    write(task, 5)
    client = connect(bob)
    client.subscribe(after=0)
    assert replayed(client)[0] == ids_of(own)
