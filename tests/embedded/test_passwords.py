"""Whoever gets to the socket as another role than ours is asked for a password, also in an older installation."""

import psycopg
import pytest

from personalq.embedded.postgres import ACCESS_FILE
from tests.embedded.running import Home, Servers

pytestmark = pytest.mark.security
EVERYBODY_TRUSTED = "local all all trust\n"


def connect(home: Home, user: str, password: str) -> None:
    host = str(home.layout.postgres_socket_dir)
    psycopg.connect(host=host, user=user, password=password, dbname="personalq").close()


def test_other_roles_need_their_password_and_we_need_none(home: Home) -> None:
    servers = Servers(home)
    home.sql("CREATE ROLE other LOGIN PASSWORD 'right'")
    home.sql("CREATE ROLE without LOGIN")
    connect(home, "other", "right")
    for user in ("other", "without"):
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            connect(home, user, "wrong")
    assert servers.stop() == ""


def test_rules_of_an_older_installation_are_preceded_once(home: Home) -> None:
    Servers(home).stop()
    rules = home.layout.postgres_data / ACCESS_FILE
    rules.write_text(EVERYBODY_TRUSTED)
    for _ in range(2):
        servers = Servers(home)
        home.sql("SELECT 1")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            connect(home, "stranger", "any")
        servers.stop()
        assert rules.read_text().count("Kept by Personal-Q") == 1
        assert rules.read_text().endswith(EVERYBODY_TRUSTED)
