"""How Redis can be reached, asked of real servers on real sockets."""

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redis

from personalq.embedded.binaries import find_valkey
from tests.embedded.running import find_free_port, wait_for
from tests.inspections.looking import grade_of, look

pytestmark = pytest.mark.security

PASSWORD = "a-password-of-some-length"
Start = Callable[..., str]


@pytest.fixture
def start(tmp_path: Path, settings: Any) -> Iterator[Start]:
    """Starts Valkey with these options on a free port of this machine; the product is set to use it."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(*options: str, password: str = "") -> str:
        port = find_free_port()
        command = [str(find_valkey(os.environ)), "--port", str(port), "--save", "", "--dir", str(tmp_path)]
        command += ["--requirepass", password] if password else []
        started.append(subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        wait_for(lambda: answers(port), "Valkey")
        settings.REDIS_CACHE_URL = (
            f"redis://:{password}@127.0.0.1:{port}/1" if password else f"redis://127.0.0.1:{port}/1"
        )
        return str(settings.REDIS_CACHE_URL)

    yield begin
    for process in started:
        process.kill()
        process.wait()


def answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def test_a_redis_without_a_password_is_found(start: Start) -> None:
    """X-REDIS, for what was started without HTTPS."""
    start("--protected-mode", "no")
    assert grade_of("redis.password") == "medium"
    start(password=PASSWORD)
    assert grade_of("redis.password") == "ok"


def test_a_redis_without_a_password_on_a_network_is_critical(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    from personalq.lib.inspections import redis_server  # noqa: PLC0415

    start("--protected-mode", "no")
    monkeypatch.setattr(redis_server, "LOOPBACK", frozenset())
    assert grade_of("redis.password") == "critical"


def test_a_redis_that_does_not_answer_is_unknown(settings: Any) -> None:
    settings.REDIS_CACHE_URL = f"redis://127.0.0.1:{find_free_port()}/1"
    result = look("redis.password")
    assert (result.grade, "Not checked" in result.sentence) == ("medium", True)


def test_a_redis_on_all_addresses_is_found(start: Start) -> None:
    start("--bind", "*", "--protected-mode", "no", password=PASSWORD)
    assert grade_of("redis.exposure") == "high"
    start("--bind", "*", "--protected-mode", "yes", password=PASSWORD)
    assert grade_of("redis.exposure") == "medium"
    start("--bind", "127.0.0.1", password=PASSWORD)
    assert grade_of("redis.exposure") == "ok"


def test_commands_that_steer_the_server_are_found_and_nothing_is_steered(start: Start, settings: Any) -> None:
    url = start(password=PASSWORD)
    result = look("redis.commands")
    assert result.grade == "low"
    assert all(command in result.sentence for command in ("CONFIG", "SHUTDOWN"))
    with redis.Redis.from_url(url) as client:
        assert client.ping()
        client.acl_setuser("personalq", enabled=True, passwords=[f"+{PASSWORD}"], keys=["*"], categories=["+@all"])
        client.execute_command("ACL", "SETUSER", "personalq", "-@admin", "-@dangerous")
    settings.REDIS_CACHE_URL = url.replace("redis://:", "redis://personalq:")
    assert grade_of("redis.commands") == "ok"
    assert grade_of("redis.exposure") == "info"
    assert grade_of("redis.eviction") == "info"


def test_a_redis_that_throws_things_away_is_found(start: Start) -> None:
    start("--maxmemory-policy", "allkeys-lru", password=PASSWORD)
    assert grade_of("redis.eviction") == "low"
    start("--maxmemory-policy", "noeviction", password=PASSWORD)
    assert grade_of("redis.eviction") == "ok"


def test_the_embedded_redis_is_good() -> None:
    names = ("redis.password", "redis.exposure", "redis.commands", "redis.eviction")
    assert {name: grade_of(name) for name in names} == dict.fromkeys(names, "ok")
