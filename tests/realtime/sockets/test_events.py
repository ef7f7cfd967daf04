"""Events reach the sockets of those whom they concern, and nobody else's."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import pytest
from django.contrib.auth.models import Permission
from django.db import connections, transaction

from accounts.models import User
from tasks import events, lifecycle
from tasks.failures import sentence_for
from tasks.models import Agent, Task
from tests.makers import make_agent, make_operator, make_running, make_task, make_user
from tests.realtime.sockets.conftest import Connect, StartWeb
from tests.realtime.sockets.serving import WebProcess, wait_for
from tests.realtime.sockets.talking import Client
from tests.realtime.sockets.writing import ids_of, write, write_one
from tests.webhooks.making import call_back, make_waiting

pytestmark = pytest.mark.django_db(transaction=True)


def test_event_of_another_process_arrives_as_rest_shows_it(connect: Connect, alice: User, agent: Agent) -> None:
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
    # The hub's own look once a second would make most of them slower than that.
    wait_for(lambda: median_delay(client, task, count=20) < 0.25, "nudges")


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
    task = make_task(agent)
    start = client.subscribe()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        events.record(task, events.EDITED)
        _ = 1 / 0
    (last,) = write(task)
    assert client.hear_ids(up_to=last) == ids_of(task, after=start)


@pytest.mark.security
def test_stranger_hears_nothing_among_a_hundred_mixed_events(
    connect: Connect, alice: User, bob: User, agent: Agent
) -> None:
    tasks = {alice: make_task(agent), bob: make_task(make_agent(bob))}
    listeners = {user: connect(user) for user in tasks}
    starts = {user: client.subscribe() for user, client in listeners.items()}
    for number in range(100):
        write(tasks[alice if number % 3 else bob])
    # What is foreign would lie between the own ones: everything is told in the order of its id.
    for user, client in listeners.items():
        (last,) = write(tasks[user])
        assert client.hear_ids(up_to=last) == ids_of(tasks[user], after=starts[user])


WHAT_A_RUNNER_MAY_SAY = (
    "connect ECONNREFUSED http://10.0.3.7:8080/internal while reading /srv/runner/work.json; "
    f"dsn host=db.internal user=app; postgresql://app:{'pass-of-the-database'}@db2.internal/app; "
    f"key sk-{'a1B2c3D4' * 3}"
)


@pytest.mark.security
@pytest.mark.parametrize("word", ["false", "true"])
def test_failure_at_an_outside_runner_tells_nothing_of_what_the_runner_says(
    word: str, connect: Connect, alice: User
) -> None:
    client, waiting = connect(alice), make_waiting(alice)
    client.subscribe()
    answer = call_back(waiting, waiting.body(success=word, exitCode=7, error=WHAT_A_RUNNER_MAY_SAY, output=""))
    assert answer.json()["changed"] is True
    frame = client.hear()
    assert frame["event"] == "task_failed"
    assert frame["data"] == {
        "error_code": "target_failed",
        "error": sentence_for("target_failed"),
        "is_dead": False,
        "exit_code": 7,
        "duration": "16ms",
    }
    assert "ECONNREFUSED" in waiting.now.error_detail


@pytest.mark.security
def test_complaint_beside_a_success_at_an_outside_runner_is_not_told(connect: Connect, alice: User) -> None:
    client, waiting = connect(alice), make_waiting(alice, config={"tolerates_stderr": True})
    client.subscribe()
    assert call_back(waiting, waiting.body(error=WHAT_A_RUNNER_MAY_SAY)).json()["changed"] is True
    frames = [client.hear() for _ in range(2)]
    assert [frame["event"] for frame in frames] == ["task_output", "task_completed"]
    assert "internal" not in str(frames)


@pytest.mark.security
def test_stranger_cannot_subscribe_to_a_task(connect: Connect, alice: User, bob: User, agent: Agent) -> None:
    client, task = connect(bob), make_task(agent)
    answer = client.ask("subscribe", to=str(task.uuid))
    assert (answer["event"], answer["error_code"], answer["to"]) == ("error", "not_yours", str(task.uuid))
    own = make_task(make_agent(bob))
    start = client.subscribe()
    write(task)
    (last,) = write(own)
    assert client.hear_ids(up_to=last) == ids_of(own, after=start)


def test_unknown_task_is_not_found(connect: Connect, alice: User) -> None:
    client = connect(alice)
    answer = client.ask("subscribe", to="6a5b2c1e-9d1f-4c3a-8b7e-1f2a3b4c5d6e")
    assert answer["error_code"] == "not_found"
    assert client.ask("ping") == {"event": "pong"}


def test_one_task_is_told_without_the_others(connect: Connect, alice: User, agent: Agent) -> None:
    client, wanted, other = connect(alice), make_task(agent), make_task(agent)
    start = client.subscribe(wanted.uuid)
    write(other)
    write(wanted)
    write(other)
    (last,) = write(wanted)
    assert client.hear_ids(up_to=last) == ids_of(wanted, after=start)


def test_event_of_two_subscriptions_is_told_once(connect: Connect, alice: User, agent: Agent) -> None:
    client, task = connect(alice), make_task(agent)
    write(task)
    start = client.subscribe(task.uuid)
    client.subscribe()
    client.subscribe()
    last = write(task, 3)[-1]
    assert client.hear_ids(up_to=last) == ids_of(task, after=start)


def test_unsubscribed_is_told_no_more(connect: Connect, alice: User, agent: Agent) -> None:
    client, task, other = connect(alice), make_task(agent), make_task(agent)
    client.subscribe()
    (last,) = write(other)
    client.hear_ids(up_to=last)
    client.subscribe(other.uuid)
    for _ in range(2):
        assert client.ask("unsubscribe", to="all") == {"event": "unsubscribed", "to": "all"}
    write(task)
    written = write(other)
    assert client.hear_ids(up_to=written[-1]) == written


def test_many_sockets_of_one_owner_all_hear(connect: Connect, alice: User, agent: Agent) -> None:
    task, clients = make_task(agent), [connect(alice) for _ in range(10)]
    starts = [client.subscribe() for client in clients]
    last = write(task, 20)[-1]
    for client, start in zip(clients, starts, strict=True):
        assert client.hear_ids(up_to=last) == ids_of(task, after=start)


@pytest.mark.security
def test_operator_may_watch_a_foreign_task(connect: Connect, agent: Agent) -> None:
    client, task = connect(make_operator()), make_task(agent)
    start = client.subscribe(task.uuid)
    last = write(task, 2)[-1]
    assert client.hear_ids(up_to=last) == ids_of(task, after=start)


@pytest.mark.security
def test_operator_hears_nothing_foreign_without_asking(connect: Connect, agent: Agent) -> None:
    operator = make_operator()
    client = connect(operator)
    start = client.subscribe()
    make_task(agent)
    own = make_task(make_agent(operator))
    (last,) = write(own)
    assert client.hear_ids(up_to=last) == ids_of(own, after=start)


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
    lose: Callable[[User], None], connect: Connect, agent: Agent
) -> None:
    viewer, task = make_viewer(), make_task(agent)
    own = make_task(make_agent(viewer))
    client = connect(viewer)
    client.subscribe(task.uuid)
    client.subscribe(own.uuid)
    client.hear_ids(up_to=[*write(task), *write(own)][-1])
    lose(viewer)
    ended = client.hear(timeout=5)
    assert (ended["error_code"], ended["to"]) == ("not_yours", str(task.uuid))
    write(task)
    written = write(own)
    assert client.hear_ids(up_to=written[-1]) == written
    assert client.ask("subscribe", to=str(task.uuid))["error_code"] == "not_yours"


@pytest.mark.security
def test_task_that_got_another_owner_is_told_no_more(connect: Connect, alice: User, bob: User, agent: Agent) -> None:
    client, task, kept = connect(alice), make_task(agent), make_task(agent)
    client.subscribe(task.uuid)
    client.subscribe(kept.uuid)
    client.hear_ids(up_to=[*write(task), *write(kept)][-1])
    Task.objects.filter(pk=task.pk).update(owner=bob)
    write(Task.objects.get(pk=task.pk))
    written = write(kept)
    assert client.hear_ids(up_to=written[-1]) == written


def test_lower_id_that_commits_later_is_told_first(connect: Connect, alice: User, agent: Agent) -> None:
    tasks = [make_task(agent) for _ in range(2)]
    client = connect(alice)
    start = client.subscribe()
    drawn, may_commit = threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write_when_told, tasks[0], drawn, may_commit)
        assert drawn.wait(30)
        later = write_one(tasks[1])
        wait_until_looked(connect, alice)
        may_commit.set()
        earlier = writing.result()
    assert earlier < later
    assert client.hear_ids(up_to=later) == ids_of(*tasks, after=start)


def write_when_told(task: Task, drawn: threading.Event, may_commit: threading.Event) -> int:
    try:
        with transaction.atomic():
            number = events.record(task, events.EDITED).id
            drawn.set()
            assert may_commit.wait(30)
        return number
    finally:
        connections.close_all()


def wait_until_looked(connect: Connect, user: User) -> None:
    """Wait until the hub has certainly read the history again."""
    # It looks at least once a second, and this is refused only after several seconds.
    client = connect(user)
    assert client.ask("resume", after=2**62)["error_code"] == "unknown_position"


def test_event_arrives_quickly_after_seven_idle_seconds(
    web: WebProcess, connect: Connect, alice: User, agent: Agent
) -> None:
    """redis-py 8 gives up on a socket after five seconds, just as long as the layer waits for a message."""
    client, task = connect(alice), make_task(agent)
    client.subscribe()
    client.hear_ids(up_to=write(task)[-1])
    idle_until = time.monotonic() + 7
    while time.monotonic() < idle_until:
        time.sleep(0.1)
    wait_for(lambda: median_delay(client, task, count=5) < 0.25, "nudges")
    assert "The channel layer is away" not in web.log


def median_delay(client: Client, task: Task, *, count: int) -> float:
    return median(delay_of_one(client, task) for _ in range(count))


def delay_of_one(client: Client, task: Task) -> float:
    (number,) = write(task)
    written_at = time.monotonic()
    client.hear_ids(up_to=number)
    return time.monotonic() - written_at


def test_sockets_of_two_web_processes_hear_the_same(
    connect: Connect, start_web: StartWeb, alice: User, agent: Agent
) -> None:
    task, clients = make_task(agent), [connect(alice), connect(alice, url=start_web().url)]
    starts = [client.subscribe() for client in clients]
    last = write(task, 50)[-1]
    for client, start in zip(clients, starts, strict=True):
        assert client.hear_ids(up_to=last) == ids_of(task, after=start)
