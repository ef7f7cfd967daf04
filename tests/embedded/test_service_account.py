"""Who runs PostgreSQL for root; the real thing needs a root-only machine, so here the machine is described."""

import os
import pwd
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from personalq.embedded import service_account
from personalq.embedded.errors import EmbeddedError
from personalq.embedded.service_account import ServiceAccount, choose_account, find_namespace

PREFIX = ("unshare", "--")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Describes the machine to the code under test."""

    def describe(*, user: int = 0, namespaces: bool = False, users: dict[str, int] | None = None) -> None:
        known = users or {}

        def find(name: str) -> Any:
            return SimpleNamespace(pw_uid=known[name], pw_gid=known[name])

        monkeypatch.setattr(os, "getuid", lambda: user)
        monkeypatch.setattr(pwd, "getpwnam", find)
        monkeypatch.setattr(service_account, "find_namespace", lambda: PREFIX if namespaces else ())

    return describe


def own(path: Path, user: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the code under test see another owner."""
    real = Path.stat

    def stat(self: Path, **options: Any) -> Any:
        return SimpleNamespace(st_uid=user) if self == path else real(self, **options)

    monkeypatch.setattr(Path, "stat", stat)


def test_ordinary_user_runs_it_as_is(tmp_path: Path, machine: Callable[..., None]) -> None:
    machine(user=1000)
    assert choose_account(tmp_path / "postgres", tmp_path) == ServiceAccount()


def test_root_prefers_a_namespace(tmp_path: Path, machine: Callable[..., None]) -> None:
    machine(namespaces=True, users={"postgres": 70})
    assert choose_account(tmp_path / "postgres", tmp_path) == ServiceAccount(prefix=PREFIX)


@pytest.mark.parametrize(("users", "expected"), [({"postgres": 70, "nobody": 99}, 70), ({"nobody": 99}, 99)])
def test_root_without_namespaces_becomes_another_user(
    tmp_path: Path,
    machine: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    users: dict[str, int],
    expected: int,
) -> None:
    machine(users=users)
    own(tmp_path, 0, monkeypatch)
    assert choose_account(tmp_path / "postgres", tmp_path).user == expected


def test_existing_data_decide_by_their_owner(
    tmp_path: Path, machine: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(namespaces=True)
    data = tmp_path / "postgres"
    data.mkdir()
    own(data, 4242, monkeypatch)
    account = choose_account(data, tmp_path)
    assert (account.prefix, account.user) == ((), 4242)


def test_data_of_root_without_namespaces_are_explained(
    tmp_path: Path, machine: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(users={"nobody": 99})
    data = tmp_path / "postgres"
    data.mkdir()
    own(data, 0, monkeypatch)
    with pytest.raises(EmbeddedError, match="chown"):
        choose_account(data, tmp_path)


def test_machine_without_any_way_is_told_so(
    tmp_path: Path, machine: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine()
    own(tmp_path, 0, monkeypatch)
    with pytest.raises(EmbeddedError, match="ordinary user"):
        choose_account(tmp_path / "postgres", tmp_path)


def test_namespace_shows_a_user_that_the_machine_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def run(command: list[str], **_: Any) -> Any:
        asked.append(command)
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(pwd, "getpwnam", lambda _: SimpleNamespace(pw_uid=70, pw_gid=71))
    prefix = find_namespace()
    assert prefix[2:4] == ("--map-user=70", "--map-group=71")
    assert asked == [[*prefix, "true"]]


def test_refused_namespace_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=1))
    assert find_namespace() == ()
