"""Threads that listen: a few at most, and none is lost when something breaks."""

import threading

import pytest

from webhooks import jobs
from webhooks.telegram import listeners as module
from webhooks.telegram import recordings
from webhooks.telegram.listeners import MOST_THREADS, Listeners

SECONDS = 15


class Scripted:
    """In the place of listening: waits until it is let go, or breaks."""

    def __init__(self, *, is_broken: bool = False) -> None:
        self.is_broken = is_broken
        self.begun = threading.Semaphore(0)
        self.let_go = threading.Event()

    def hear_next(self) -> bool:
        self.begun.release()
        if self.is_broken:
            raise RuntimeError
        self.let_go.wait(SECONDS)
        return False


def replace(monkeypatch: pytest.MonkeyPatch, scripted: Scripted) -> Scripted:
    monkeypatch.setattr(recordings, "hear_next", scripted.hear_next)
    return scripted


def wait_until_silent(listeners: Listeners) -> None:
    assert all(listeners._free.acquire(timeout=SECONDS) for _ in range(MOST_THREADS))
    for _ in range(MOST_THREADS):
        listeners._free.release()


def test_only_a_few_listen_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted, listeners = replace(monkeypatch, Scripted()), Listeners()
    for _ in range(2 * MOST_THREADS):
        listeners.wake()
    assert all(scripted.begun.acquire(timeout=SECONDS) for _ in range(MOST_THREADS))
    scripted.let_go.set()
    wait_until_silent(listeners)
    assert not scripted.begun.acquire(blocking=False)


def test_those_that_broke_make_room_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted, listeners = replace(monkeypatch, Scripted(is_broken=True)), Listeners()
    for _ in range(3):
        listeners.wake()
        assert scripted.begun.acquire(timeout=SECONDS)
        wait_until_silent(listeners)


@pytest.mark.django_db
def test_nobody_is_woken_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    woken: list[None] = []
    monkeypatch.setattr(module.listeners, "wake", lambda: woken.append(None))
    jobs.listen()
    assert woken == []
