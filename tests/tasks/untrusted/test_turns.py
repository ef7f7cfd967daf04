"""Long texts are looked at one at a time in a process, and the latest are remembered."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tasks import untrusted
from tasks.lifecycle import approvals

LONG = "x" * approvals.LONG_TEXT


class Meeting:
    """Tells whether two texts were ever looked at side by side."""

    def __init__(self) -> None:
        self.barrier = threading.Barrier(2)
        self.calls = 0

    def assess(self, text: str, **_: Any) -> untrusted.Assessment:
        self.calls += 1
        try:
            self.barrier.wait(timeout=1)
        except threading.BrokenBarrierError:
            return untrusted.Assessment(score=0.0, is_suspicious=False, reasons=())
        raise AssertionError("two long texts at once")


@pytest.fixture
def meeting(monkeypatch: pytest.MonkeyPatch) -> Meeting:
    approvals._assessed.cache_clear()
    found = Meeting()
    monkeypatch.setattr(untrusted, "assess", found.assess)
    return found


@pytest.mark.security
def test_long_texts_are_looked_at_one_after_the_other(meeting: Meeting) -> None:
    with ThreadPoolExecutor(2) as threads:
        found = [*threads.map(lambda text: approvals.suspicion_of(prompt=text), [f"{LONG}a", f"{LONG}b"])]
    assert [one["score"] for one in found] == [0.0, 0.0]


def test_text_that_was_looked_at_lately_is_not_looked_at_again(meeting: Meeting) -> None:
    for _ in range(2):
        approvals.suspicion_of(prompt=LONG)
    assert meeting.calls == 1
