"""Asking whether everything answers: in parallel, within a limit, and never more than once at a time."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from personalq.lib.readiness import Finding, Line, Lookout, Report
from tests.concurrency.racing import race

FINE = Finding(is_ok=True)


def fine() -> Finding:
    return FINE


def broken() -> Finding:
    raise ConnectionError("redis://:hunter2@db.internal:6379")


def lookout(*, limit_seconds: float = 5, kept_seconds: float = 0, **questions: Callable[[], Finding]) -> Lookout:
    """One line for each question."""
    lines = [Line({name: question}) for name, question in questions.items()]
    return Lookout(lines, limit_seconds=limit_seconds, kept_seconds=kept_seconds)


def found(report: Report) -> dict[str, tuple[bool, dict[str, Any]]]:
    return {check.name: (check.is_ok, dict(check.facts)) for check in report.checks}


def test_ready_when_every_question_is_answered_well() -> None:
    report = lookout(one=fine, two=fine).report()
    assert report.is_ready
    assert found(report) == {"one": (True, {}), "two": (True, {})}


def test_whatever_a_question_raises_means_not_ready_and_tells_no_address() -> None:
    report = lookout(one=fine, two=broken).report()
    assert not report.is_ready
    assert found(report)["two"] == (False, {"error": "ConnectionError"})


def test_broken_question_does_not_keep_the_next_of_its_line_from_being_asked() -> None:
    report = Lookout([Line({"one": broken, "two": fine})]).report()
    assert [check.is_ok for check in report.checks] == [False, True]


def test_line_is_cleaned_up_in_its_own_thread_also_after_a_failure() -> None:
    threads: list[threading.Thread] = []

    def note() -> Finding:
        threads.append(threading.current_thread())
        raise ZeroDivisionError

    Lookout([Line({"one": note}, clean_up=lambda: threads.append(threading.current_thread()))]).report()
    assert threads[0] is threads[1] is not threading.current_thread()


class Hanging:
    """A server that accepts the question and says nothing until it is released."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.asked = 0

    def __call__(self) -> Finding:
        self.asked += 1
        assert self.released.wait(60)
        return FINE


@pytest.fixture
def hanging() -> Any:
    question = Hanging()
    yield question
    question.released.set()


def test_question_that_hangs_costs_the_limit_and_nothing_else_is_lost(hanging: Hanging) -> None:
    look = lookout(limit_seconds=2, one=hanging, two=fine)
    began = time.monotonic()
    report = look.report()
    assert time.monotonic() - began < 20
    assert found(report) == {"one": (False, {"error": "no answer in time"}), "two": (True, {})}


def test_question_that_hangs_is_not_asked_again_beside_itself(hanging: Hanging) -> None:
    look = lookout(limit_seconds=0.5, one=hanging)
    for _ in range(5):
        assert not look.report().is_ready
    assert hanging.asked == 1


def test_what_a_hanging_line_said_long_ago_does_not_count(hanging: Hanging) -> None:
    look = Lookout([Line({"early": fine, "late": hanging})], limit_seconds=2, kept_seconds=0)
    assert [check.is_ok for check in look.report().checks] == [True, False]
    assert [check.is_ok for check in look.report().checks] == [False, False]


def test_line_that_answers_again_is_asked_again(hanging: Hanging) -> None:
    look = lookout(limit_seconds=0.2, one=hanging)
    assert not look.report().is_ready
    hanging.released.set()
    while not look.report().is_ready:
        assert hanging.asked < 10
    assert hanging.asked > 1


def test_all_who_ask_at_once_share_one_look() -> None:
    asked = []

    def count() -> Finding:
        asked.append(1)
        return FINE

    look = lookout(kept_seconds=60, one=count)
    reports = race(*[look.report] * 20)
    assert len(asked) == 1
    assert all(report is reports[0] for report in reports)


def test_report_is_kept_for_its_time_and_not_longer() -> None:
    look = lookout(kept_seconds=60, one=fine)
    first = look.report()
    assert look.report() is first
    look.forget()
    assert look.report() is not first


def test_change_is_told_once_and_by_name(caplog: pytest.LogCaptureFixture) -> None:
    answers = iter([FINE, Finding(is_ok=False), Finding(is_ok=False), FINE, FINE])
    look = lookout(workers=lambda: next(answers))
    with caplog.at_level(logging.INFO, "personalq.readiness"):
        for _ in range(5):
            look.report()
    assert [record.getMessage() for record in caplog.records] == ["Not ready: workers", "Ready again"]
