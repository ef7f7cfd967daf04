"""The rows of the access matrix for sockets."""

from pathlib import Path

import pytest

from realtime.routing import PATHS
from tests.access.matrix import SOCKET, SOCKET_PATHS
from tests.access.world import ACTORS, World
from tests.realtime.sockets.serving import WebProcess
from tests.realtime.sockets.talking import Client


def test_every_socket_path_is_in_the_matrix() -> None:
    assert set(PATHS) == SOCKET_PATHS


@pytest.mark.django_db(transaction=True)
def test_each_actor_gets_the_answer_of_the_row(tmp_path: Path) -> None:
    world = World.make()
    targets = {"subscribe to all": "all", "subscribe to the owner's task": str(world.tasks["ready"].uuid)}
    with WebProcess(tmp_path) as web:
        found = {
            deed: tuple(subscribe(web, world, actor, target) for actor in ACTORS) for deed, target in targets.items()
        }
    assert found == SOCKET


def subscribe(web: WebProcess, world: World, actor: str, target: str) -> str:
    with Client(web.url, world.users.get(actor)) as socket:
        socket.say("subscribe", to=target)
        if actor == "anonymous":
            return f"close {socket.end()[0]}"
        answer = socket.hear()
        return str(answer.get("error_code", answer["event"]))
