"""`/readyz` of a real web process, while what it asks for comes and goes."""

import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from tasks import heartbeats
from tasks.models import Heartbeat
from tasks.models.heartbeat import Role
from tests.makers import make_operator
from tests.realtime.sockets.serving import WebProcess, wait_for
from tests.realtime.sockets.talking import token_of
from tests.realtime.sockets.test_outage import Redis

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    server = Redis(tmp_path)
    yield server
    server.kill()


@pytest.fixture
def web(tmp_path: Path, redis: Redis) -> Iterator[WebProcess]:
    """A web process whose broker, cache and channel layer are all on a server of its own."""
    database = connection.settings_dict
    addresses: Any = {
        "DATABASE_URL": f"postgres://{database['USER']}@/{database['NAME']}?host={database['HOST']}",
        "REDIS_URL": f"unix://{redis.socket}",
    }
    with WebProcess(tmp_path, **addresses) as process:
        yield process


def get(web: WebProcess, path: str, **headers: str) -> tuple[int, Any]:
    with closing(http.client.HTTPConnection("127.0.0.1", web.port, timeout=30)) as wire:
        wire.request("GET", path, headers={"Host": "load-balancer.example", **headers})
        answer = wire.getresponse()
        return answer.status, json.loads(answer.read())


def missing(web: WebProcess, token: str) -> list[str]:
    _, report = get(web, "/api/v1/readiness", Host="localhost", Authorization=f"Bearer {token}")
    return [check["name"] for check in report["checks"] if not check["is_ok"]]


def wait_for_answer(web: WebProcess, status: int) -> None:
    """Somebody is at work meanwhile, so that only what the test takes away can be missing."""

    def is_answered() -> bool:
        heartbeats.beat(name="worker:here:1", role=Role.WORKER, started_at=timezone.now(), data={})
        heartbeats.beat_sweep(started_at=timezone.now())
        return get(web, "/readyz")[0] == status

    wait_for(is_answered, f"the answer {status}")


def test_web_process_notices_what_is_missing_and_that_it_is_back(web: WebProcess, redis: Redis) -> None:
    token = token_of(make_operator())
    wait_for_answer(web, 200)
    assert get(web, "/readyz/") == (200, {"status": "ok"})
    wait_for(lambda: missing(web, token) == [], "nothing to be missed")

    redis.kill()
    wait_for_answer(web, 503)
    assert get(web, "/readyz") == (503, {"status": "not ok"})
    assert get(web, "/healthz") == (200, {"status": "ok"})
    wait_for(lambda: missing(web, token) == ["broker", "cache", "channel_layer"], "all of Redis to be missed")

    redis.start()
    wait_for_answer(web, 200)
    Heartbeat.objects.filter(role=Role.WORKER).update(seen_at=Now() - timedelta(seconds=31))
    wait_for(lambda: missing(web, token) == ["workers"], "the worker to be missed")
    wait_for(lambda: get(web, "/readyz")[0] == 503, "the answer 503")
