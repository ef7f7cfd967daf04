"""`manage.py up` with the whole product: how it starts, what it refuses, and every way in which it ends."""

import os
import re
import signal
import socket
import stat
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from personalq.embedded.env_file import parse
from personalq.embedded.processes import is_alive, read_command_line
from tests.embedded.running import Home, Run, Servers, nothing_runs, wait_for

CONTROL_C = b"\x03"
PASSWORD = re.compile(r"Sign in as admin with the password (\S+)")


def start(home: Home) -> tuple[Run, dict[str, int]]:
    run = Run(home)
    run.wait_for_greeting()
    return run, home.pids()


def read_everything_below(directory: Path) -> Iterator[bytes]:
    for path in directory.rglob("*"):
        if path.is_file() and not path.is_symlink():
            yield path.read_bytes()


def test_first_start_tells_how_to_sign_in_and_keeps_the_password_nowhere(home: Home) -> None:
    run, pids = start(home)
    assert set(pids) == {"postgres", "valkey", "web", "worker", "beat"}
    assert f"http://127.0.0.1:{run.port}/" in run.output
    with urllib.request.urlopen(f"http://127.0.0.1:{run.port}/healthz", timeout=10) as answer:
        assert answer.status == 200
    told = PASSWORD.search(run.output)
    assert told is not None
    assert stat.S_IMODE(home.env_file.stat().st_mode) == 0o600
    assert not any(secret in run.output for secret in secrets_of(home))
    # The worker tells runners where to report; the port was named on the command line.
    assert f"PORT={run.port}".encode() in Path(f"/proc/{pids['worker']}/environ").read_bytes().split(b"\0")
    # So does every command, wherever it is given.
    assert home.layout.kept_port(1) == run.port
    run.process.send_signal(signal.SIGTERM)
    assert run.wait_for_end() == 0
    assert nothing_runs(home, pids)
    private = [told[1].encode(), *(secret.encode() for secret in secrets_of(home))]
    for content in read_everything_below(home.layout.root):
        assert not any(secret in content for secret in private)


def secrets_of(home: Home) -> list[str]:
    values = parse(home.env_file.read_text())
    return [values["SECRET_KEY"], values["JWT_SIGNING_KEY"]]


def test_second_start_is_refused_and_the_first_goes_on(lived_in: Home) -> None:
    run, pids = start(lived_in)
    second = subprocess.run(
        lived_in.command(run.port), env=lived_in.environment(), capture_output=True, text=True, check=False
    )
    assert second.returncode == 1
    assert f"already running here (pid {run.process.pid})" in second.stdout
    assert lived_in.pids() == pids
    run.process.send_signal(signal.SIGINT)
    assert run.wait_for_end() == 0
    assert nothing_runs(lived_in, pids)


def test_killed_supervisor_leaves_nothing_and_loses_nothing(lived_in: Home) -> None:
    run, pids = start(lived_in)
    lived_in.sql("CREATE TABLE kept AS SELECT 42 AS answer")
    run.kill()
    # At once, on the same port: it waits for the rest of the first run to end.
    again = Run(lived_in, run.port)
    again.wait_for_greeting()
    assert nothing_runs_of(pids, lived_in)
    assert lived_in.sql("SELECT answer FROM kept") == (42,)
    assert PASSWORD.search(again.output) is None
    assert "changepassword admin" in again.output
    again.process.send_signal(signal.SIGTERM)
    assert again.wait_for_end() == 0


def nothing_runs_of(pids: dict[str, int], home: Home) -> bool:
    return not set(pids.values()) & set(home.pids().values())


def test_second_control_c_does_not_break_the_orderly_stop(lived_in: Home) -> None:
    controller, terminal = os.openpty()
    run = Run(lived_in, terminal=terminal)
    os.close(terminal)
    said = read_until(controller, b"Stop with Ctrl-C.")
    pids = lived_in.pids()
    assert b"Personal-Q is running" in said
    os.write(controller, CONTROL_C)
    said = read_until(controller, b"Stopping")
    os.write(controller, CONTROL_C)
    assert b"Traceback" not in said + read_until(controller, b"Stopped.")
    assert run.wait_for_end() == 0
    os.close(controller)
    assert nothing_runs(lived_in, pids)


def test_closed_terminal_stops_a_start_half_way(lived_in: Home) -> None:
    controller, terminal = os.openpty()
    run = Run(lived_in, terminal=terminal)
    os.close(terminal)
    read_until(controller, b"Bringing the database up to date")
    pids = lived_in.pids()
    os.close(controller)
    assert run.wait_for_end() == 0
    assert nothing_runs(lived_in, pids)


def read_until(controller: int, expected: bytes) -> bytes:
    said = b""
    while expected not in said:
        said += os.read(controller, 65536)
    return said


def test_servers_of_ones_own_are_used_and_killed_twice_is_no_obstacle(make_home: Callable[[str], Home]) -> None:
    home, servers = make_home("own"), Servers(make_home("elsewhere"))
    urls = {
        "DATABASE_URL": f"postgres://postgres@/personalq?host={servers.layout.postgres_socket_dir}",
        "REDIS_URL": f"unix://{servers.layout.redis_socket}",
    }
    run = Run(home, environment=urls)
    run.wait_for_greeting()
    pids = home.pids()
    assert set(pids) == {"web", "worker", "beat"}
    os.kill(find_reaper(run.process.pid), signal.SIGKILL)
    run.kill()
    again = Run(home, run.port, environment=urls)
    again.wait_for_greeting()
    assert not any(is_alive(pid) for pid in pids.values())
    again.process.send_signal(signal.SIGTERM)
    assert again.wait_for_end() == 0
    servers.stop()


def find_reaper(supervisor: int) -> int:
    """The one shell among the children of the supervisor."""
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    return next(int(pid) for pid in children if read_command_line(int(pid))[0] == "/bin/sh")


def test_busy_port_is_named_before_anything_is_started(home: Home) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        run = Run(home, other.getsockname()[1])
        assert run.wait_for_end() == 1
    assert f"Port {run.port} on 127.0.0.1: Address already in use" in run.output
    assert "PORT=" in run.output
    assert not home.layout.postgres_data.exists()
    assert not home.env_file.exists()


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1", "8000 ", "٣"])
def test_senseless_port_is_refused(home: Home, port: str) -> None:
    answer = subprocess.run(
        home.command(0)[:-2],
        env=home.environment(PORT=port),
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 2
    assert "number from 1 to 65535" in answer.stderr


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL"])
def test_one_server_of_two_is_refused(home: Home, name: str) -> None:
    answer = subprocess.run(
        home.command(1), env=home.environment(**{name: "x"}), capture_output=True, text=True, check=False
    )
    assert answer.returncode == 1
    assert f"Only {name} is set" in answer.stdout


def test_broken_configuration_is_explained_without_values(lived_in: Home) -> None:
    run = Run(lived_in, environment={"SECRET_KEY": "short-and-private"})
    assert run.wait_for_end() == 1
    assert "SECRET_KEY is shorter than" in run.output
    assert "short-and-private" not in run.output
    wait_for(lambda: nothing_runs(lived_in, {}), "everything to end")
