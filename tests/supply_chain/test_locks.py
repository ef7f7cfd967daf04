"""A lock is read as pip reads it, and what is not pinned by hash is seen."""

import pytest
from packaging.requirements import Requirement

from tests.supply_chain import closure, locks, programs
from tests.supply_chain.closure import Installed
from tests.supply_chain.locks import Locked

pytestmark = pytest.mark.security

HASH = f"--hash=sha256:{'ab' * 32}"


class TestReading:
    def test_continued_lines_are_one_package(self) -> None:
        text = f"# a comment\nPy_Name==1.2 ; sys_platform == 'win32' \\\n    {HASH} \\\n    {HASH}\n    # via x\n"
        (locked,) = locks.read(text)
        assert (locked.name, locked.version, locked.marker) == ("py-name", "1.2", "sys_platform == 'win32'")
        assert locked.hashes == ("ab" * 32, "ab" * 32)
        assert not locked.is_for_here()

    @pytest.mark.parametrize(
        "line",
        [
            "name",
            "name>=1",
            "name==1",
            f"name>=1 {HASH}",
            "name==1 --hash=sha256:abcd",
            f"name==1 --hash=md5:{'ab' * 16}",
            f"name==1 {HASH} --hash=md5:{'ab' * 16}",
            f"name==1.* {HASH}",
            f"name @ https://example.org/name.whl {HASH}",
            "-e .",
            "-r other.txt",
            "--extra-index-url https://example.org/simple",
            "git+https://example.org/name.git",
        ],
    )
    def test_line_without_a_pin_or_hash_is_seen(self, line: str) -> None:
        """B-HIGH-004, A-45"""
        assert list(locks.faults_in(f"fine==1 {HASH}\n{line}\n"))

    def test_good_line_has_no_fault(self) -> None:
        assert list(locks.faults_in(f"name==1.0.post1 ; python_full_version < '3.12' \\\n {HASH}\n")) == []


@pytest.mark.parametrize("name", locks.NAMES)
class TestOurLocks:
    def test_each_line_has_one_version_and_hashes(self, name: str) -> None:
        """A-45, B-HIGH-004, B-DEP-4"""
        assert list(locks.faults_in(locks.path_of(name).read_text())) == []
        assert all(each.hashes for each in locks.read_named(name))

    def test_each_wish_is_in_its_lock(self, name: str) -> None:
        locked = {each.name for each in locks.read_named(name)}
        assert {wish.name.lower().replace("_", "-") for wish in locks.wishes(name)} <= locked

    def test_lock_was_made_by_the_documented_command(self, name: str) -> None:
        """A-33"""
        head = locks.path_of(name).read_text().splitlines()[1]
        assert f"--universal --generate-hashes -p 3.11 requirements/{name}.in -o requirements/{name}.txt" in head


def test_there_is_no_lock_besides() -> None:
    assert {path.stem for path in locks.REQUIREMENTS.iterdir()} == set(locks.NAMES)


@pytest.mark.parametrize("name", ["base", "dev"])
def test_lock_is_complete(name: str) -> None:
    """A-45: what is installed needs nothing that the lock does not name."""
    installed = closure.installed_in(programs.PRODUCT / "python")
    assert closure.faults(locks.read_named(name), locks.wishes(name), installed) == []


class TestClosure:
    def locked(self, *names: str) -> list[Locked]:
        return [Locked(name, "1.0", "", ("ab" * 32,)) for name in names]

    def faults(self, lock: list[Locked], wish: str, **needs: tuple[str, ...]) -> list[str]:
        return closure.faults(lock, [Requirement(wish)], {name: Installed("1.0", each) for name, each in needs.items()})

    def test_complete_lock_has_no_fault(self) -> None:
        assert self.faults(self.locked("a", "b"), "a>=1", a=("b>=0.5",), b=()) == []

    def test_missing_package_is_named(self) -> None:
        assert self.faults(self.locked("a"), "a", a=("b",), b=()) == ["b is needed and not locked"]

    def test_package_that_an_extra_asks_for_is_needed(self) -> None:
        lock = self.locked("a", "b")
        assert self.faults(lock, "a[fast]", a=("b; extra == 'fast'",), b=()) == []
        assert self.faults(lock, "a", a=("b; extra == 'fast'",), b=()) == ["b is locked and nothing needs it"]

    def test_package_for_other_machines_is_not_missed(self) -> None:
        assert self.faults(self.locked("a"), "a", a=("b; sys_platform == 'win32'",)) == []

    def test_other_version_than_installed_is_named(self) -> None:
        lock = [Locked("a", "1.1", "", ("ab" * 32,))]
        assert self.faults(lock, "a", a=()) == ["a is locked at 1.1 and installed 1.0"]

    def test_wish_that_the_lock_does_not_grant_is_named(self) -> None:
        assert self.faults(self.locked("a"), "a>=2", a=()) == ["a>=2 is wished for and 1.0 is locked"]
