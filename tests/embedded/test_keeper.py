"""How the keeper starts ended children again, and when it gives up. The children are small shells."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from personalq.embedded.children import Child, Children, ChildSpec
from personalq.embedded.errors import ChildFailed
from personalq.embedded.keeper import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, MOST_FALSE_STARTS, Keeper
from personalq.embedded.layout import Layout
from personalq.embedded.leftovers import read_record
from personalq.embedded.processes import is_alive
from personalq.embedded.reaper import Reaper
from tests.embedded.running import wait_for

LASTING = "echo started; exec sleep 600"
FAILING = "echo no such setting; exit 3"


@dataclass
class Shell:
    """A service made of a line of shell."""

    children: Children
    name: str
    line: str
    is_working: bool = True
    started: list[Child] = field(default_factory=list)

    def launch(self) -> Child:
        spec = ChildSpec(
            name=self.name, command=["/bin/sh", "-c", self.line], environment={"PATH": "/bin"}, directory=Path("/")
        )
        self.started.append(self.children.start(spec))
        return self.started[-1]

    def is_ready(self, child: Child) -> bool:
        return self.is_working and not child.has_ended()


class Watch:
    """A clock that only moves when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path / "var")
    made.logs.mkdir(parents=True)
    return made


@pytest.fixture
def children(layout: Layout) -> Iterator[Children]:
    reaper = Reaper()
    made = Children(layout, reaper)
    yield made
    made.stop_all()
    reaper.release()


@pytest.fixture
def clock() -> Watch:
    return Watch()


@pytest.fixture
def keep(children: Children, clock: Watch) -> Callable[..., tuple[Keeper, list[Shell]]]:
    """Makes a keeper of the named shells, all of which are at work."""

    def make(*names: str) -> tuple[Keeper, list[Shell]]:
        keeper = Keeper(children, clock)
        shells = [Shell(children, name, LASTING) for name in names]
        for shell in shells:
            keeper.keep(shell, shell.launch())
        return keeper, shells

    return make


Keep = Callable[..., tuple[Keeper, list[Shell]]]


def end(shell: Shell) -> None:
    shell.started[-1].process.kill()
    wait_for(shell.started[-1].has_ended, "the child to end")


def look_until_started(keeper: Keeper, shell: Shell, clock: Watch) -> float:
    """How long the keeper waited before the next start."""
    began, before = clock.now, len(shell.started)
    while len(shell.started) == before:
        clock.now += 0.1
        keeper.look()
    return clock.now - began


def test_killed_child_is_started_again_and_the_console_tells(
    keep: Keep, clock: Watch, capsys: pytest.CaptureFixture[str]
) -> None:
    keeper, [shell] = keep("shell")
    wait_for(lambda: "started" in shell.started[0].log.read_text(), "its first word")
    end(shell)
    look_until_started(keeper, shell, clock)
    was_settled = keeper.is_settled
    keeper.look()
    assert (was_settled, keeper.is_settled) == (False, True)
    said = capsys.readouterr().out
    assert "shell was killed by SIGKILL. The end of" in said
    assert "    started" in said
    assert "shell is running again." in said


def test_child_that_ended_well_is_started_again_too(keep: Keep, clock: Watch) -> None:
    keeper, [shell] = keep("shell")
    shell.started[0].process.send_signal(signal.SIGTERM)
    wait_for(shell.started[0].has_ended, "the child to end")
    look_until_started(keeper, shell, clock)
    assert not shell.started[1].has_ended()


def test_pause_grows_to_its_limit_and_is_forgotten_after_steady_work(keep: Keep, clock: Watch) -> None:
    keeper, [shell] = keep("shell")
    pauses = []
    for _ in range(8):
        end(shell)
        keeper.look()
        pauses.append(look_until_started(keeper, shell, clock))
        keeper.look()
    assert pauses == sorted(pauses)
    assert pauses[0] == pytest.approx(FIRST_PAUSE_SECONDS, abs=0.11)
    assert pauses[-1] == pytest.approx(LONGEST_PAUSE_SECONDS, abs=0.11)
    clock.now += 60
    keeper.look()
    end(shell)
    keeper.look()
    assert look_until_started(keeper, shell, clock) == pytest.approx(FIRST_PAUSE_SECONDS, abs=0.11)


def test_child_that_never_gets_ready_is_given_up_with_its_last_words(keep: Keep, clock: Watch) -> None:
    keeper, [shell] = keep("shell")
    end(shell)
    shell.line = FAILING
    shell.is_working = False
    with pytest.raises(ChildFailed, match=r"(?s)ended with 3.*no such setting.*5 times in a row before it was ready"):
        fail_for_ever(keeper, shell, clock)
    assert len(shell.started) == 1 + MOST_FALSE_STARTS


def fail_for_ever(keeper: Keeper, shell: Shell, clock: Watch) -> None:
    while True:
        look_until_started(keeper, shell, clock)
        wait_for(shell.started[-1].has_ended, "the child to end")
        keeper.look()


def test_child_that_works_in_between_is_never_given_up(keep: Keep, clock: Watch) -> None:
    keeper, [shell] = keep("shell")
    for _ in range(2 * MOST_FALSE_STARTS):
        end(shell)
        look_until_started(keeper, shell, clock)
        keeper.look()
    assert keeper.is_settled


def test_child_that_others_kill_before_it_is_ready_is_never_given_up(keep: Keep, clock: Watch) -> None:
    keeper, [shell] = keep("shell")
    shell.is_working = False
    for _ in range(2 * MOST_FALSE_STARTS):
        end(shell)
        look_until_started(keeper, shell, clock)
    assert not shell.started[-1].has_ended()


def test_one_on_its_way_back_does_not_keep_others_from_theirs(keep: Keep, clock: Watch) -> None:
    keeper, [slow, quick] = keep("slow", "quick")
    slow.is_working = False
    for shell in (slow, quick):
        end(shell)
        look_until_started(keeper, shell, clock)
    keeper.look()
    assert not quick.started[-1].has_ended()
    assert not keeper.is_settled


def test_child_started_again_keeps_its_place_in_the_order_of_stopping(keep: Keep, clock: Watch, layout: Layout) -> None:
    keeper, [server, _client] = keep("server", "client")
    end(server)
    look_until_started(keeper, server, clock)
    assert [leftover.pid for leftover in read_record(layout)] == [server.started[1].pid, _client.started[0].pid]


def test_what_a_dead_child_left_in_its_session_is_ended(children: Children, clock: Watch, tmp_path: Path) -> None:
    keeper = Keeper(children, clock)
    note = tmp_path / "pid"
    shell = Shell(children, "shell", f"sleep 600 & echo $! >{note}; wait")
    keeper.keep(shell, shell.launch())
    wait_for(lambda: note.exists() and note.read_text().strip(), "the grandchild")
    grandchild = int(note.read_text())
    end(shell)
    assert is_alive(grandchild)
    keeper.look()
    wait_for(lambda: not is_alive(grandchild), "the grandchild to end")


def test_reaper_is_told_of_the_child_that_came_instead(layout: Layout, clock: Watch) -> None:
    reading, writing = os.pipe()
    reaper = Reaper([writing])
    os.close(writing)
    children = Children(layout, reaper)
    keeper = Keeper(children, clock)
    shell = Shell(children, "shell", LASTING)
    keeper.keep(shell, shell.launch())
    end(shell)
    look_until_started(keeper, shell, clock)
    # As the kernel does when the supervisor is killed.
    assert reaper._process.stdin is not None
    reaper._process.stdin.close()
    wait_for(shell.started[1].has_ended, "the reaper to end the second child")
    assert os.read(reading, 1) == b""
    os.close(reading)
    assert subprocess.Popen.wait(reaper._process) == 0
