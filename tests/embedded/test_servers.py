"""PostgreSQL and Valkey through crashes, with a small supervisor of only these two."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
import redis

from personalq.embedded.layout import REPOSITORY, Layout
from personalq.embedded.postgres import server_environment
from personalq.embedded.processes import is_alive, read_command_line
from tests.embedded.running import Home, clean_environment, nothing_runs, wait_for


class Servers:
    """One run of tests.embedded.servers_only."""

    def __init__(self, home: Home, **environment: str) -> None:
        self.home = home
        self.layout = home.layout
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.embedded.servers_only", str(home.layout.root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=REPOSITORY,
            env=clean_environment(**environment),
            text=True,
        )
        assert self._process.stdout is not None
        self.reaper = int(self._process.stdout.readline() or 0)
        self.pids = home.pids() if self.reaper else {}

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> str:
        """End it in order. Returns what it wrote to standard error."""
        return self._process.communicate()[1]

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()

    def sql(self, statement: str) -> object:
        with psycopg.connect(
            host=str(self.layout.postgres_socket_dir), user="postgres", dbname="personalq", autocommit=True
        ) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchone() if cursor.description else None


def test_data_survive_an_orderly_stop(home: Home) -> None:
    first = Servers(home)
    first.sql("CREATE TABLE kept AS SELECT 42 AS answer")
    redis.Redis.from_url(home.layout.redis_url(2)).rpush("queue", "nudge")
    first.stop()
    assert nothing_runs(home, first.pids)
    second = Servers(home)
    assert second.sql("SELECT answer FROM kept") == (42,)
    assert redis.Redis.from_url(home.layout.redis_url(2)).lpop("queue") == b"nudge"
    second.stop()


def test_servers_get_no_secrets_and_no_settings_of_other_servers() -> None:
    given = {"PATH": "/bin", "SECRET_KEY": "x", "DATABASE_URL": "x", "PGDATA": "/x", "LC_ALL": "xx_XX.UTF-8"}
    assert server_environment(given) == {"PATH": "/bin", "LC_ALL": "C", "TZ": "UTC"}


def test_servers_listen_on_no_port_whatever_the_environment(home: Home) -> None:
    servers = Servers(home, PGDATA="/nowhere", PGPORT="1", LC_ALL="xx_XX.UTF-8")
    assert servers.sql("SHOW listen_addresses") == ("",)
    assert redis.Redis.from_url(home.layout.redis_url(0)).config_get("port") == {"port": "0"}
    assert home.layout.run_dir.stat().st_mode & 0o777 == 0o700
    servers.stop()


def test_killed_supervisor_takes_its_servers_along(home: Home) -> None:
    first = Servers(home)
    first.sql("CREATE TABLE kept AS SELECT 42 AS answer")
    first.kill()
    # The lock stays with the reaper until everything is gone, so this start waits for it.
    second = Servers(home)
    assert not any(is_alive(pid) for pid in first.pids.values())
    assert second.sql("SELECT answer FROM kept") == (42,)
    second.stop()
    wait_for(lambda: not is_alive(first.reaper), "the reaper to end")


def test_start_after_supervisor_and_reaper_were_killed_ends_the_leftovers(home: Home) -> None:
    first = Servers(home)
    first.sql("CREATE TABLE kept AS SELECT 42 AS answer")
    os.kill(first.reaper, signal.SIGKILL)
    first.kill()
    assert all(is_alive(pid) for pid in first.pids.values())
    second = Servers(home)
    assert not any(is_alive(pid) for pid in first.pids.values())
    assert second.sql("SELECT answer FROM kept") == (42,)
    second.stop()


def test_leftovers_are_found_without_a_record(home: Home) -> None:
    first = Servers(home)
    os.kill(first.reaper, signal.SIGKILL)
    first.kill()
    home.layout.children_file.write_text("damaged")
    second = Servers(home)
    wait_for(lambda: not any(is_alive(pid) for pid in first.pids.values()), "the old servers to end")
    second.stop()


def test_killed_postgres_recovers_with_the_next_start(home: Home) -> None:
    first = Servers(home)
    first.sql("CREATE TABLE kept AS SELECT 42 AS answer")
    os.kill(first.pids["postgres"], signal.SIGKILL)
    first.stop()
    second = Servers(home)
    assert second.sql("SELECT answer FROM kept") == (42,)
    second.stop()


def test_lock_file_of_a_stranger_does_not_block_the_start(home: Home) -> None:
    Servers(home).stop()
    # The number of this very process: alive, and no PostgreSQL.
    stale = home.layout.postgres_data / "postmaster.pid"
    stale.write_text(f"{os.getpid()}\n{home.layout.postgres_data}\n")
    (home.layout.run_dir / ".s.PGSQL.5432.lock").write_text(f"{os.getpid()}\n")
    servers = Servers(home)
    assert servers.sql("SELECT 1") == (1,)
    servers.stop()


def test_lock_file_of_a_zombie_does_not_block_the_start(home: Home) -> None:
    Servers(home).stop()
    zombie = subprocess.Popen(["true"])
    wait_for(lambda: not is_alive(zombie.pid), "the child to become a zombie")
    (home.layout.postgres_data / "postmaster.pid").write_text(f"{zombie.pid}\n{home.layout.postgres_data}\n")
    servers = Servers(home)
    assert servers.sql("SELECT 1") == (1,)
    servers.stop()
    zombie.wait()


def test_interrupted_initdb_leaves_nothing_in_the_way(home: Home) -> None:
    half = home.layout.root / "postgres.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    servers = Servers(home)
    assert servers.sql("SELECT 1") == (1,)
    servers.stop()


def test_data_of_another_major_version_are_refused_and_kept(home: Home) -> None:
    Servers(home).stop()
    version = home.layout.postgres_data / "PG_VERSION"
    version.write_text("14\n")
    refused = Servers(home)
    assert "written by PostgreSQL 14" in refused.stop()
    assert version.read_text() == "14\n"


@pytest.mark.parametrize("name", ["a,b c%20é", "long" * 30])
def test_odd_and_long_paths_work(make_home: Callable[[str], Home], name: str) -> None:
    home = make_home(name)
    servers = Servers(home)
    assert servers.sql("SELECT 1") == (1,)
    assert redis.Redis.from_url(home.layout.redis_url(1)).ping()
    servers.stop()
    assert not home.layout.run_dir.is_relative_to(home.layout.root)
    home.layout.run_dir.rmdir()


def test_path_with_a_space_works_for_every_client(make_home: Callable[[str], Home]) -> None:
    home = make_home("my data")
    servers = Servers(home)
    assert redis.Redis.from_url(home.layout.redis_url(1)).ping()
    assert servers.sql("SELECT 1") == (1,)
    servers.stop()


def test_process_facts_tell_a_process_from_a_zombie() -> None:
    child = subprocess.Popen(["sleep", "60"])
    assert is_alive(child.pid)
    assert read_command_line(child.pid) == ["sleep", "60"]
    child.kill()
    wait_for(lambda: not is_alive(child.pid), "the child to become a zombie")
    child.wait()
    assert not is_alive(child.pid)


def test_layout_without_servers_is_only_paths(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "none")
    assert layout.redis_url(0)
    assert not layout.root.exists()
