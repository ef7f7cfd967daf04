import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from personalq.embedded import lock as lock_module
from personalq.embedded.errors import AlreadyRunning, StopRequested
from personalq.embedded.lock import InstanceLock
from personalq.embedded.processes import is_alive
from personalq.embedded.reaper import Reaper
from personalq.embedded.waiting import StopSignals
from tests.embedded.running import wait_for


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "embedded.lock"


def test_holder_is_named_to_the_second(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock_module, "NOTICE_SECONDS", 0)
    first = InstanceLock(path)
    first.acquire()
    with pytest.raises(AlreadyRunning, match=f"pid {os.getpid()}"):
        InstanceLock(path).acquire()
    first.release()


def test_second_waits_for_a_holder_that_is_stopping(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock_module, "NOTICE_SECONDS", 0)
    first, second = InstanceLock(path), InstanceLock(path)
    first.acquire()
    first.announce_stop()
    waiting = threading.Thread(target=second.acquire)
    waiting.start()
    first.release()
    waiting.join(10)
    assert not waiting.is_alive()
    second.release()


def test_reaper_keeps_the_lock_until_it_is_done(path: Path) -> None:
    lock = InstanceLock(path)
    lock.acquire()
    reaper = Reaper(held_descriptors=[lock.descriptor])
    lock.release()
    next_lock = InstanceLock(path)
    assert not next_lock.try_once()
    reaper.release()
    assert next_lock.try_once()
    next_lock.release()


def test_wish_to_stop_ends_the_wait_for_the_lock(path: Path) -> None:
    first = InstanceLock(path)
    first.acquire()
    signals = StopSignals()
    signals.ask("test")
    second = InstanceLock(path)
    with pytest.raises(StopRequested):
        second.acquire(signals.pause)
    first.release()
    second.release()


def test_killed_reaper_does_not_hinder_an_orderly_stop() -> None:
    reaper = Reaper()
    os.kill(reaper.pid, signal.SIGKILL)
    wait_for(lambda: not is_alive(reaper.pid), "the reaper to die")
    reaper.watch(1, "TERM")
    reaper.release()


def test_reaper_ends_what_it_watches_when_its_owner_dies() -> None:
    watched, forgotten = (subprocess.Popen(["sleep", "600"], start_new_session=True) for _ in range(2))
    program = (
        "from personalq.embedded.reaper import Reaper; import sys; r = Reaper(); "
        "[r.watch(int(pid), 'TERM') for pid in sys.argv[1:]]; r.forget(int(sys.argv[2])); print(r.pid)"
    )
    # The owner ends without a word of release, as after kill -9.
    subprocess.run([sys.executable, "-c", program, str(watched.pid), str(forgotten.pid)], check=True)
    wait_for(lambda: watched.poll() is not None, "the reaper to end the watched process")
    assert forgotten.poll() is None
    forgotten.kill()
    forgotten.wait()
