"""Redis only hastens things: when it is killed, flushed or started anew, nothing is lost and nobody waits."""

import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from accounts.models import User
from personalq.embedded.binaries import find_valkey
from personalq.embedded.valkey import ask
from tasks.models import Agent, Task
from tests.makers import make_task
from tests.realtime.sockets.conftest import Connect, StartWeb
from tests.realtime.sockets.serving import wait_for
from tests.realtime.sockets.talking import Client
from tests.realtime.sockets.writing import ids_of, write

pytestmark = pytest.mark.django_db(transaction=True)

# The hub's own look comes once a second, so that several in a row are hardly ever this quick without a nudge.
QUICK_SECONDS = 0.15


class Redis:
    """A server of its own for the channel layer, which may be killed."""

    def __init__(self, directory: Path) -> None:
        self.socket = directory / "redis.sock"
        self._directory = directory
        self.start()

    @property
    def url(self) -> str:
        return f"unix://{self.socket}?db=0"

    def start(self) -> None:
        options = ["--port", "0", "--unixsocket", str(self.socket), "--save", "", "--logfile", "redis.log"]
        self._process = subprocess.Popen([str(find_valkey({})), *options], cwd=self._directory)
        wait_for(lambda: ask(self.socket, "PING") == "+PONG", "Redis")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self.socket.unlink(missing_ok=True)


@pytest.fixture
def redis(tmp_path: Path, settings: Settings) -> Iterator[Redis]:
    server = Redis(tmp_path)
    config = {"hosts": [{"address": server.url, "socket_timeout": 15}]}
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": config}}
    yield server
    server.kill()


def delay_of_one(client: Client, task: Task) -> float:
    written_at = time.monotonic()
    (number,) = write(task)
    client.hear_ids(up_to=number)
    return time.monotonic() - written_at


def is_quick(client: Client, task: Task) -> bool:
    return statistics.median(delay_of_one(client, task) for _ in range(5)) < QUICK_SECONDS


def test_sockets_outlive_redis(redis: Redis, start_web: StartWeb, connect: Connect, alice: User, agent: Agent) -> None:
    web, task = start_web(TEST_LAYER_URL=redis.url), make_task(agent)
    client = connect(alice, url=web.url)
    client.subscribe()
    wait_for(lambda: is_quick(client, task), "nudges")

    redis.kill()
    began = time.monotonic()
    written = write(task, 20)
    assert time.monotonic() - began < 5
    assert client.hear_ids(up_to=written[-1]) == written
    wait_for(lambda: "is away" in web.log, "the log to tell of the outage")

    redis.start()
    wait_for(lambda: is_quick(client, task), "nudges after the restart")
    assert web.log.count("The channel layer is away") == web.log.count("The channel layer is back") == 1

    assert ask(redis.socket, "FLUSHALL") == "+OK"
    written = write(task, 5)
    assert client.hear_ids(up_to=written[-1]) == written
    wait_for(lambda: is_quick(client, task), "nudges after the flush")
    assert web.complaints == []
    again = connect(alice, url=web.url)
    again.subscribe(after=0)
    *told, _ = again.hear_until("resumed")
    assert [frame["id"] for frame in told] == ids_of(task)


def test_web_process_that_starts_without_redis_serves_sockets(
    redis: Redis, start_web: StartWeb, connect: Connect, alice: User, agent: Agent
) -> None:
    redis.kill()
    web, task = start_web(TEST_LAYER_URL=redis.url), make_task(agent)
    client = connect(alice, url=web.url)
    start = client.subscribe()
    last = write(task, 3)[-1]
    assert client.hear_ids(up_to=last) == ids_of(task, after=start)
    redis.start()
    wait_for(lambda: is_quick(client, task), "nudges")


def test_stopping_web_process_says_goodbye(start_web: StartWeb, connect: Connect, alice: User, agent: Agent) -> None:
    web, task = start_web(), make_task(agent)
    clients = [connect(alice, url=web.url) for _ in range(3)]
    for client in clients:
        client.subscribe()
    last = write(task)[-1]
    for client in clients:
        client.hear_ids(up_to=last)
    began = time.monotonic()
    web.stop()
    assert time.monotonic() - began < 10
    assert [client.end()[0] for client in clients] == [1012] * 3
    assert web.complaints == []
