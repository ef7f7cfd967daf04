"""PostgreSQL and Valkey through crashes, with a small supervisor of only these two."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from personalq.embedded.layout import Layout
from personalq.embedded.postgres import server_environment
from personalq.embedded.processes import is_alive, read_command_line
from tests.embedded.running import Home, Servers, nothing_runs, wait_for


def test_data_survive_an_orderly_stop(lived_in: Home) -> None:
    first = Servers(lived_in)
    first.home.sql("CREATE TABLE kept_1 AS SELECT 42 AS answer")
    redis.Redis.from_url(lived_in.layout.redis_url(2)).rpush("queue", "nudge")
    first.stop()
    assert nothing_runs(lived_in, first.pids)
    second = Servers(lived_in)
    assert second.home.sql("SELECT answer FROM kept_1") == (42,)
    assert redis.Redis.from_url(lived_in.layout.redis_url(2)).lpop("queue") == b"nudge"
    second.stop()


def test_servers_get_no_secrets_and_no_settings_of_other_servers() -> None:
    given = {"PATH": "/bin", "SECRET_KEY": "x", "DATABASE_URL": "x", "PGDATA": "/x", "LC_ALL": "xx_XX.UTF-8"}
    assert server_environment(given) == {"PATH": "/bin", "LC_ALL": "C", "TZ": "UTC"}


def test_servers_listen_on_no_port_whatever_the_environment(lived_in: Home) -> None:
    servers = Servers(lived_in, PGDATA="/nowhere", PGPORT="1", LC_ALL="xx_XX.UTF-8")
    assert servers.home.sql("SHOW listen_addresses") == ("",)
    assert redis.Redis.from_url(lived_in.layout.redis_url(0)).config_get("port") == {"port": "0"}
    assert lived_in.layout.run_dir.stat().st_mode & 0o777 == 0o700
    servers.stop()


def test_killed_supervisor_takes_its_servers_along(lived_in: Home) -> None:
    first = Servers(lived_in)
    first.home.sql("CREATE TABLE kept_2 AS SELECT 42 AS answer")
    first.kill()
    # The lock stays with the reaper until everything is gone, so this start waits for it.
    second = Servers(lived_in)
    assert not any(is_alive(pid) for pid in first.pids.values())
    assert second.home.sql("SELECT answer FROM kept_2") == (42,)
    second.stop()
    wait_for(lambda: not is_alive(first.reaper), "the reaper to end")


def test_start_after_supervisor_and_reaper_were_killed_ends_the_leftovers(lived_in: Home) -> None:
    first = Servers(lived_in)
    first.home.sql("CREATE TABLE kept_3 AS SELECT 42 AS answer")
    os.kill(first.reaper, signal.SIGKILL)
    first.kill()
    assert all(is_alive(pid) for pid in first.pids.values())
    second = Servers(lived_in)
    assert not any(is_alive(pid) for pid in first.pids.values())
    assert second.home.sql("SELECT answer FROM kept_3") == (42,)
    second.stop()


def test_leftovers_are_found_without_a_record(lived_in: Home) -> None:
    first = Servers(lived_in)
    os.kill(first.reaper, signal.SIGKILL)
    first.kill()
    lived_in.layout.children_file.write_text("damaged")
    second = Servers(lived_in)
    wait_for(lambda: not any(is_alive(pid) for pid in first.pids.values()), "the old servers to end")
    second.stop()


def test_killed_postgres_recovers_with_the_next_start(lived_in: Home) -> None:
    first = Servers(lived_in)
    first.home.sql("CREATE TABLE kept_4 AS SELECT 42 AS answer")
    os.kill(first.pids["postgres"], signal.SIGKILL)
    first.stop()
    second = Servers(lived_in)
    assert second.home.sql("SELECT answer FROM kept_4") == (42,)
    second.stop()


def test_lock_file_of_a_stranger_does_not_block_the_start(lived_in: Home) -> None:
    Servers(lived_in).stop()
    # The number of this very process: alive, and no PostgreSQL.
    stale = lived_in.layout.postgres_data / "postmaster.pid"
    stale.write_text(f"{os.getpid()}\n{lived_in.layout.postgres_data}\n")
    (lived_in.layout.run_dir / ".s.PGSQL.5432.lock").write_text(f"{os.getpid()}\n")
    servers = Servers(lived_in)
    assert servers.home.sql("SELECT 1") == (1,)
    servers.stop()


def test_lock_file_of_a_zombie_does_not_block_the_start(lived_in: Home) -> None:
    Servers(lived_in).stop()
    zombie = subprocess.Popen(["true"])
    wait_for(lambda: not is_alive(zombie.pid), "the child to become a zombie")
    (lived_in.layout.postgres_data / "postmaster.pid").write_text(f"{zombie.pid}\n{lived_in.layout.postgres_data}\n")
    servers = Servers(lived_in)
    assert servers.home.sql("SELECT 1") == (1,)
    servers.stop()
    zombie.wait()


def test_interrupted_initdb_leaves_nothing_in_the_way(home: Home) -> None:
    half = home.layout.root / "postgres.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    servers = Servers(home)
    assert servers.home.sql("SELECT 1") == (1,)
    servers.stop()


def test_data_of_another_major_version_are_refused_and_kept(home: Home) -> None:
    Servers(home).stop()
    version = home.layout.postgres_data / "PG_VERSION"
    version.write_text("14\n")
    assert "written by PostgreSQL 14" in Servers(home).stop()
    assert version.read_text() == "14\n"


@pytest.mark.parametrize("name", ["a,b c%20é", "long" * 30])
def test_odd_and_long_paths_work(make_home: Callable[[str], Home], name: str) -> None:
    home = make_home(name)
    servers = Servers(home)
    assert servers.home.sql("SELECT 1") == (1,)
    assert redis.Redis.from_url(home.layout.redis_url(1)).ping()
    servers.stop()
    assert not home.layout.run_dir.is_relative_to(home.layout.root)
    home.layout.run_dir.rmdir()


def test_path_with_a_space_works_for_every_client(make_home: Callable[[str], Home]) -> None:
    home = make_home("my data")
    servers = Servers(home)
    assert redis.Redis.from_url(home.layout.redis_url(1)).ping()
    assert servers.home.sql("SELECT 1") == (1,)
    servers.stop()


def test_process_facts_tell_a_process_from_a_zombie() -> None:
    child = subprocess.Popen(["sleep", "60"])
    assert is_alive(child.pid)
    wait_for(lambda: read_command_line(child.pid) == ["sleep", "60"], "its command line")
    child.kill()
    wait_for(lambda: not is_alive(child.pid), "the child to become a zombie")
    child.wait()
    assert not is_alive(child.pid)


def test_layout_without_servers_is_only_paths(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "none")
    assert layout.redis_url(0)
    assert not layout.root.exists()
