import os
import signal
import subprocess
import sys

import pytest

from personalq.embedded.layout import REPOSITORY
from personalq.embedded.origin import Origin
from tests.embedded.running import OWN_TERMINAL, clean_environment, wait_for

# Starts a process that tells when its origin is gone, and waits to be killed.
WATCHER = """
import time
from personalq.embedded.origin import Origin
origin = Origin()
print("watching", flush=True)
while not origin.explain_end():
    time.sleep(0.02)
print(origin.explain_end(), flush=True)
"""
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', '''{WATCHER}'''])"


def test_killed_make_is_noticed() -> None:
    make = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        cwd=REPOSITORY,
        env=clean_environment(MAKELEVEL="1"),
        text=True,
    )
    assert make.stdout is not None
    assert make.stdout.readline() == "watching\n"
    make.kill()
    assert make.stdout.readline() == "make is gone\n"
    make.communicate()


def test_closed_terminal_is_noticed_although_make_keeps_the_signal_to_itself() -> None:
    controller, terminal = os.openpty()
    # Session leader is a process that ignores the hang-up, as make waits for its child.
    ignoring = f"import signal; signal.signal(signal.SIGHUP, lambda *_: None); {PARENT}"
    leader = subprocess.Popen(
        [*OWN_TERMINAL, sys.executable, "-c", ignoring],
        stdin=terminal,
        stdout=subprocess.PIPE,
        cwd=REPOSITORY,
        env=clean_environment(MAKELEVEL="1"),
        text=True,
    )
    os.close(terminal)
    assert leader.stdout is not None
    assert leader.stdout.readline() == "watching\n"
    os.close(controller)
    assert leader.stdout.readline() == "the terminal is gone\n"
    leader.communicate()


def test_nohup_survives_a_closed_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    controller, terminal = os.openpty()
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        monkeypatch.delenv("MAKELEVEL", raising=False)
        monkeypatch.setattr(os, "isatty", lambda _: True)
        monkeypatch.setattr(os, "dup", lambda _: terminal)
        origin = Origin()
        os.close(controller)
        assert origin.explain_end() is None
    finally:
        signal.signal(signal.SIGHUP, before)
        os.close(terminal)


def test_terminal_that_stays_is_no_reason_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    controller, terminal = os.openpty()
    monkeypatch.delenv("MAKELEVEL", raising=False)
    monkeypatch.setattr(os, "isatty", lambda _: True)
    monkeypatch.setattr(os, "dup", lambda _: terminal)
    origin = Origin()
    assert origin.explain_end() is None
    os.close(controller)
    wait_for(origin.explain_end, "the hang-up")
    os.close(terminal)
