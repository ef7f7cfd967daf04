"""Events reach the sockets of those whom they concern, and nobody else's."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth.models import Permission
from django.db import connections, transaction

from accounts.models import User
from tasks import events, lifecycle
from tasks.models import Agent, Task
from tests.makers import make_agent, make_operator, make_running, make_task, make_user
from tests.realtime.conftest import Connect, StartWeb
from tests.realtime.talking import Client
from tests.realtime.writing import write, write_one

pytestmark = pytest.mark.django_db(transaction=True)


def test_event_of_another_process_arrives_as_rest_shows_it(
    connect: Connect, alice: User, agent: Agent
) -> None:
    client = connect(alice)
    client.subscribe()
    task = make_task(agent, title="a title")
    frame = client.hear()
    event = task.events.get()
    assert frame == {
        "event": "task_created",
        "id": event.pk,
        "task": str(task.uuid),
        "attempt": 0,
        "at": event.at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "data": {"by": "alice", "status": "ready", "title": "a title"},
    }


def test_event_arrives_quickly(connect: Connect, alice: User, agent: Agent) -> None:
    client = connect(alice)
    client.subscribe()
    task = make_task(agent)
    client.hear()
    delays = []
    for _ in range(20):
        written_at = time.monotonic()
        write(task)
        client.hear()
        delays.append(time.monotonic() - written_at)
    # The hub's own look once a second would make most of them slower than that.
    assert sorted(delays)[10] < 0.25


def test_life_of_a_task_is_told_in_order(connect: Connect, alice: User, agent: Agent) -> None:
    client = connect(alice)
    client.subscribe()
    task, claim = make_running(agent)
    lifecycle.record_output(claim=claim, text="half", offset=0)
    lifecycle.complete(claim=claim, result="half")
    heard = [client.hear() for _ in range(4)]
    assert [frame["event"] for frame in heard] == [
        "task_created", "task_started", "task_output", "task_completed",
    ]  # fmt: skip
    assert {frame["task"] for frame in heard} == {str(task.uuid)}
    assert heard[2]["data"] == {"text": "half", "offset": 0}


def test_rolled_back_event_is_never_told(connect: Connect, alice: User, agent: Agent) -> None:
    client = connect(alice)
    client.subscribe()
    task = make_task(agent)
    client.hear()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        events.record(task, events.EDITED)
        _ = 1 / 0
    assert client.hear_ids(1) == write(task)


@pytest.mark.security
def test_stranger_hears_nothing_among_a_hundred_mixed_events(
    connect: Connect, alice: User, bob: User, agent: Agent
) -> None:
    tasks = {alice: make_task(agent), bob: make_task(make_agent(bob))}
    listeners = {user: connect(user) for user in tasks}
    for client in listeners.values():
        client.subscribe()
    written: dict[User, list[int]] = {user: [] for user in tasks}
    for number in range(100):
        user = alice if number % 3 else bob
        written[user] += write(tasks[user])
    for user, client in listeners.items():
        frames = [client.hear() for _ in written[user]]
        assert [frame["id"] for frame in frames] == written[user]
        assert {frame["task"] for frame in frames} == {str(tasks[user].uuid)}
    # Everything is handed out in order: who had heard something foreign would have it before the pong.
    assert all(client.ask("ping") == {"event": "pong"} for client in listeners.values())


@pytest.mark.security
def test_stranger_cannot_subscribe_to_a_task(connect: Connect, alice: User, bob: User, agent: Agent) -> None:
    client, task = connect(bob), make_task(agent)
    answer = client.ask("subscribe", to=str(task.uuid))
    assert (answer["event"], answer["error_code"], answer["to"]) == ("error", "not_yours", str(task.uuid))
    write(task)
    own = make_task(make_agent(bob))
    client.subscribe()
    assert client.hear_ids(1) == write(own)


def test_unknown_task_is_not_found(connect: Connect, alice: User) -> None:
    client = connect(alice)
    answer = client.ask("subscribe", to="6a5b2c1e-9d1f-4c3a-8b7e-1f2a3b4c5d6e")
    assert answer["error_code"] == "not_found"
    assert client.ask("ping") == {"event": "pong"}


def test_one_task_is_told_without_the_others(connect: Connect, alice: User, agent: Agent) -> None:
    client, wanted, other = connect(alice), make_task(agent), make_task(agent)
    client.subscribe(wanted.uuid)
    write(other)
    first = write(wanted)
    write(other)
    assert client.hear_ids(2) == first + write(wanted)


def test_event_of_two_subscriptions_is_told_once(connect: Connect, alice: User, agent: Agent) -> None:
    client, task = connect(alice), make_task(agent)
    client.subscribe(task.uuid)
    client.subscribe()
    client.subscribe()
    assert client.hear_ids(3) == write(task, 3)


def test_unsubscribed_is_told_no_more(connect: Connect, alice: User, agent: Agent) -> None:
    client, task, other = connect(alice), make_task(agent), make_task(agent)
    client.subscribe()
    client.subscribe(other.uuid)
    assert client.ask("unsubscribe", to="all") == {"event": "unsubscribed", "to": "all"}
    assert client.ask("unsubscribe", to="all") == {"event": "unsubscribed", "to": "all"}
    write(task)
    assert client.hear_ids(1) == write(other)


def test_many_sockets_of_one_owner_all_hear(connect: Connect, alice: User, agent: Agent) -> None:
    clients = [connect(alice) for _ in range(10)]
    for client in clients:
        client.subscribe()
    task = make_task(agent)
    written = [task.events.get().pk, *write(task, 20)]
    assert all(client.hear_ids(21) == written for client in clients)


@pytest.mark.security
def test_operator_may_watch_a_foreign_task(connect: Connect, agent: Agent) -> None:
    client, task = connect(make_operator()), make_task(agent)
    client.subscribe(task.uuid)
    assert client.hear_ids(2) == write(task, 2)


@pytest.mark.security
def test_operator_hears_nothing_foreign_without_asking(connect: Connect, agent: Agent) -> None:
    operator = make_operator()
    client = connect(operator)
    client.subscribe()
    make_task(agent)
    own = make_task(make_agent(operator))
    assert client.hear()["task"] == str(own.uuid)


def make_viewer() -> User:
    viewer = make_user("viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_task"))
    return viewer


def take_permission(user: User) -> None:
    user.user_permissions.clear()


def take_staff_status(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_staff=False)


@pytest.mark.security
@pytest.mark.parametrize("lose", [take_permission, take_staff_status])
def test_lost_permission_ends_watching_within_five_seconds(
    lose: object, connect: Connect, agent: Agent
) -> None:
    viewer, task = make_viewer(), make_task(agent)
    own = make_task(make_agent(viewer))
    client = connect(viewer)
    client.subscribe(task.uuid)
    client.subscribe(own.uuid)
    assert callable(lose)
    lose(viewer)
    ended = client.hear(timeout=5)
    assert (ended["error_code"], ended["to"]) == ("not_yours", str(task.uuid))
    write(task)
    assert client.hear_ids(1) == write(own)
    assert client.ask("subscribe", to=str(task.uuid))["error_code"] == "not_yours"


@pytest.mark.security
def test_task_that_got_another_owner_is_told_no_more(
    connect: Connect, alice: User, bob: User, agent: Agent
) -> None:
    client, task, kept = connect(alice), make_task(agent), make_task(agent)
    client.subscribe(task.uuid)
    client.subscribe(kept.uuid)
    Task.objects.filter(pk=task.pk).update(owner=bob)
    write(Task.objects.get(pk=task.pk))
    assert client.hear_ids(1) == write(kept)


def test_lower_id_that_commits_later_is_told_first(connect: Connect, alice: User, agent: Agent) -> None:
    slow, quick = make_task(agent), make_task(agent)
    client = connect(alice)
    client.subscribe()
    drawn, may_commit = threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write_when_told, slow, drawn, may_commit)
        assert drawn.wait(30)
        later = write_one(quick)
        # The hub has looked since: what it reads in this order is what it would have skipped.
        assert connect(alice).subscribe()["last_event_id"] < later
        assert client.ask("ping") == {"event": "pong"}
        may_commit.set()
        earlier = writing.result()
    assert earlier < later
    assert client.hear_ids(2) == [earlier, later]


def write_when_told(task: Task, drawn: threading.Event, may_commit: threading.Event) -> int:
    try:
        with transaction.atomic():
            number = events.record(task, events.EDITED).id
            drawn.set()
            assert may_commit.wait(30)
        return number
    finally:
        connections.close_all()


def test_event_arrives_quickly_after_seven_idle_seconds(
    connect: Connect, alice: User, agent: Agent
) -> None:
    """redis-py 8 gives up on a socket after five seconds, exactly as long as the layer waits for a message."""
    client = connect(alice)
    client.subscribe()
    task = make_task(agent)
    client.hear()
    idle_until = time.monotonic() + 7
    while time.monotonic() < idle_until:
        time.sleep(0.1)
    assert client.hear_ids(1) == write(task)


def test_sockets_of_two_web_processes_hear_the_same(
    connect: Connect, start_web: StartWeb, alice: User, agent: Agent
) -> None:
    clients: list[Client] = [connect(alice), connect(alice, url=start_web().url)]
    for client in clients:
        client.subscribe()
    task = make_task(agent)
    written = [task.events.get().pk, *write(task, 50)]
    assert [client.hear_ids(51) for client in clients] == [written, written]
