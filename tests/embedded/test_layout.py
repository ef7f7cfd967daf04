import os
from pathlib import Path

import psycopg
import pytest
import redis
from kombu import Connection

from personalq.embedded.errors import EmbeddedError
from personalq.embedded.layout import MAX_SOCKET_PATH_BYTES, REPOSITORY, Layout
from personalq.embedded.private_files import make_private_directory, refuse_squatter


def layout_for(var: str) -> Layout:
    return Layout.from_environment({"PERSONALQ_VAR": var})


def test_data_live_in_var_beside_manage_py() -> None:
    layout = Layout.from_environment({})
    assert layout.root == REPOSITORY / "var"
    assert (REPOSITORY / "manage.py").exists()


def test_relative_directory_does_not_depend_on_where_one_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert layout_for("elsewhere/data").root == REPOSITORY / "elsewhere" / "data"


def test_sockets_live_with_the_data_when_the_path_is_plain() -> None:
    layout = layout_for("/srv/personal q/var")
    assert layout.run_dir == Path("/srv/personal q/var/run")
    assert layout.redis_url(1) == "unix:///srv/personal q/var/run/redis.sock?db=1"
    assert layout.celery_broker_url(2) == "redis+socket:///srv/personal q/var/run/redis.sock?virtual_host=2"


@pytest.mark.parametrize("var", ["/srv/" + "a" * 80, "/srv/käse", "/srv/a,b", "/srv/50%", "/srv/a?b", "/srv/a#b"])
def test_sockets_move_out_of_a_path_that_clients_cannot_name(var: str) -> None:
    run_dir = layout_for(var).run_dir
    assert run_dir.parent == Path("/tmp")
    assert len(os.fsencode(run_dir / ".s.PGSQL.5432.lock")) <= MAX_SOCKET_PATH_BYTES


def test_two_installations_never_share_sockets() -> None:
    assert layout_for("/srv/a,b").run_dir != layout_for("/srv/a,c").run_dir


def test_parallel_test_workers_use_other_redis_databases() -> None:
    layout = Layout.from_environment({"PERSONALQ_VAR": "/v", "PERSONALQ_REDIS_DATABASE_BASE": "8"})
    assert layout.redis_url(1).endswith("?db=9")
    assert layout.celery_broker_url(2).endswith("?virtual_host=10")


def test_running_servers_answer_on_every_address_of_the_layout() -> None:
    layout = Layout.default()
    settings = layout.database_settings()
    with psycopg.connect(host=settings["HOST"], user=settings["USER"], dbname=settings["NAME"]) as connection:
        assert connection.execute("SELECT upper('é')").fetchone() == ("É",)
    assert redis.Redis.from_url(layout.redis_url(3)).ping()
    with Connection(layout.celery_broker_url(3)) as broker:
        broker.ensure_connection(max_retries=1)


def test_directory_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stranger = os.getuid() + 1
    monkeypatch.setattr(os, "getuid", lambda: stranger)
    with pytest.raises(EmbeddedError, match="chown"):
        make_private_directory(tmp_path)


def test_private_directory_is_closed_to_others(tmp_path: Path) -> None:
    make_private_directory(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("trap", ["link", "open", "foreign"])
def test_prepared_socket_directory_is_refused(tmp_path: Path, trap: str) -> None:
    directory, owners = tmp_path / "pq", {os.getuid()}
    if trap == "link":
        directory.symlink_to(tmp_path)
    else:
        directory.mkdir(mode=0o755 if trap == "open" else 0o700)
    if trap == "foreign":
        owners = {os.getuid() + 1}
    with pytest.raises(EmbeddedError, match="Remove it"):
        refuse_squatter(directory, owners)


def test_own_socket_directory_is_accepted(tmp_path: Path) -> None:
    directory = tmp_path / "pq"
    directory.mkdir(mode=0o700)
    refuse_squatter(directory, {os.getuid()})
