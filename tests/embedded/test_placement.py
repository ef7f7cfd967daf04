"""Data and programs move to where another user can reach them."""

import os
from pathlib import Path

import pytest

from personalq.embedded import placement
from personalq.embedded.layout import Layout
from personalq.embedded.placement import Placement, place_postgres, remove_elsewhere
from personalq.embedded.service_account import ServiceAccount


class Confined(ServiceAccount):
    """An account that reaches nothing of ours. It has our own numbers, so that giving it things changes nothing."""

    def can_enter(self, directory: Path) -> bool:
        return False


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(placement, "ELSEWHERE", tmp_path / "elsewhere")
    return tmp_path / "elsewhere"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "var")
    layout.root.mkdir()
    return layout


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    binaries = tmp_path / "package" / "pginstall" / "bin"
    binaries.mkdir(parents=True)
    (binaries / "postgres").write_text("program")
    (binaries.parent / "share").mkdir()
    (tmp_path / "package.libs").mkdir()
    (tmp_path / "package.libs" / "libpq.so").write_text("library")
    return binaries


def test_without_another_user_everything_stays(layout: Layout, programs: Path) -> None:
    expected = Placement(layout.postgres_data, programs, layout.run_dir)
    assert place_postgres(layout, ServiceAccount(), programs) == expected


def test_confined_user_gets_data_sockets_and_programs_elsewhere(
    layout: Layout, programs: Path, elsewhere: Path
) -> None:
    before = os.umask(0o077)
    try:
        placed = place_postgres(layout, Confined(user=os.getuid(), group=os.getgid()), programs)
    finally:
        os.umask(before)
    assert placed.data == elsewhere / layout.digest / "data" / "postgres"
    assert layout.postgres_data.readlink() == placed.data
    assert layout.run_dir.readlink() == placed.sockets
    assert (placed.binaries / "postgres").read_text() == "program"
    assert (placed.binaries / "../../../package.libs/libpq.so").read_text() == "library"
    for passed in placed.binaries.parents[:3]:
        assert passed.stat().st_mode & 0o011 == 0o011
    for locked in (placed.data.parent, placed.sockets):
        assert locked.stat().st_mode & 0o077 == 0


def test_second_start_finds_the_same_place(layout: Layout, programs: Path, elsewhere: Path) -> None:
    account = Confined(user=os.getuid(), group=os.getgid())
    first = place_postgres(layout, account, programs)
    assert place_postgres(layout, account, programs) == first
    assert len([entry for entry in elsewhere.iterdir() if entry.name.startswith("programs-")]) == 1


def test_throwaway_installation_can_be_removed(layout: Layout, programs: Path, elsewhere: Path) -> None:
    place_postgres(layout, Confined(user=os.getuid(), group=os.getgid()), programs)
    remove_elsewhere(layout)
    assert not (elsewhere / layout.digest).exists()
