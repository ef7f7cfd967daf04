"""Each invariant notices the history that contradicts it, and keeps quiet about a good one."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasks import events
from tasks.states import Status
from tests.chaos import history as words
from tests.chaos.asked import Asked, Wish
from tests.chaos.disturbances import DISTURBANCES, Done
from tests.chaos.figures import find_recoveries
from tests.chaos.history import Event, History, Row
from tests.chaos.invariants import INVARIANTS, describe, find_violations
from tests.chaos.schedule import KILLS, OTHERS, make_schedule

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PROMPT = "one two three"


def make_events(task: str, *told: tuple[str, int, dict[str, Any]]) -> list[Event]:
    """Events a second apart, from pairs of kind, attempt and data."""
    return [
        Event(id=number, task=task, kind=kind, attempt=attempt, at=NOW + timedelta(seconds=number), data=data)
        for number, (kind, attempt, data) in enumerate(told, 1)
    ]


def good_events() -> list[Event]:
    """A task that was interrupted once, and told its output in two pieces the second time."""
    return make_events(
        "a",
        ("task_created", 0, {}),
        ("task_started", 1, {"worker": "host:11"}),
        ("task_output", 1, {"offset": 0, "text": "one "}),
        ("task_retried", 1, {"reason": "lease_lost"}),
        ("task_held", 1, {}),
        ("task_started", 2, {"worker": "host:12"}),
        ("task_output", 2, {"offset": 0, "text": "one two "}),
        ("task_output", 2, {"offset": 8, "text": "three"}),
        ("task_completed", 2, {}),
        ("task_archived", 2, {}),
    )


ROW = Row(uuid="a", prompt=PROMPT, status=Status.ARCHIVED, archived_from=Status.COMPLETE, attempts=2, result=PROMPT)


def make_asked() -> Asked:
    return Asked(accepted={"a": Wish("quick", PROMPT)}, unanswered=[Wish("quick", "never answered")])


def history(row: Row = ROW, told: list[Event] | None = None) -> History:
    return History([row], good_events() if told is None else told, NOW)


def broken(asked: Asked, found: History) -> set[str]:
    return set(find_violations(asked, found))


def without(number: int) -> list[Event]:
    return [event for event in good_events() if event.id != number]


def with_event(number: int, **changes: Any) -> list[Event]:
    return [replace(event, **changes) if event.id == number else event for event in good_events()]


def with_late(kind: str, attempt: int = 2, **data: Any) -> list[Event]:
    return [*good_events(), Event(id=99, task="a", kind=kind, attempt=attempt, at=NOW, data=data)]


def test_good_history_breaks_nothing() -> None:
    assert find_violations(make_asked(), history()) == {}


def test_unanswered_wish_may_have_come_true_but_only_once() -> None:
    asked = make_asked()
    late = replace(ROW, uuid="b", prompt="never answered", result="never answered", attempts=1)
    told = make_events(
        "b",
        ("task_started", 1, {}),
        ("task_output", 1, {"offset": 0, "text": "never answered"}),
        ("task_completed", 1, {}),
    )
    assert broken(asked, History([ROW, late], good_events() + told, NOW)) == set()
    twice = History([ROW, late, replace(late, uuid="c")], good_events() + told, NOW)
    assert "no_task_is_there_that_nobody_asked_for" in broken(asked, twice)


Case = tuple[str, Callable[[], History]]
BAD: list[Case] = [
    ("every_accepted_task_is_there", lambda: History([], [], NOW)),
    ("every_accepted_task_is_there", lambda: history(replace(ROW, prompt="cut", result="cut"))),
    ("no_task_is_there_that_nobody_asked_for", lambda: History([ROW, replace(ROW, uuid="b")], good_events(), NOW)),
    ("every_task_has_ended", lambda: history(replace(ROW, status=Status.BACKLOGGED, archived_from=None))),
    ("no_ready_task_is_left_over", lambda: history(replace(ROW, status=Status.READY, archived_from=None))),
    ("no_task_runs_without_a_live_lease", lambda: history(running(lease_expires_at=NOW - timedelta(seconds=1)))),
    ("no_task_runs_without_a_live_lease", lambda: history(running(lease_expires_at=None))),
    ("every_task_ends_exactly_once", lambda: history(told=without(9))),
    ("every_task_ends_exactly_once", lambda: history(told=with_late("task_failed"))),
    ("the_end_is_the_status", lambda: history(replace(ROW, archived_from=Status.CANCELLED))),
    ("nothing_comes_after_the_end", lambda: history(told=with_late("task_held"))),
    ("nothing_comes_after_the_end", lambda: history(told=with_late("task_output", offset=13, text="!"))),
    ("attempts_are_numbered_without_gap", lambda: history(replace(ROW, attempts=3))),
    ("attempts_are_numbered_without_gap", lambda: history(told=with_event(6, attempt=1))),
    ("attempts_are_numbered_without_gap", lambda: history(told=with_event(5, kind="task_started", attempt=2))),
    ("no_attempt_ends_twice", lambda: history(told=with_event(5, kind="task_retried"))),
    ("no_attempt_begins_before_the_last_one_ended", lambda: history(told=without(4))),
    ("no_output_comes_outside_of_its_attempt", lambda: history(told=with_event(5, kind="task_output", attempt=1))),
    ("no_output_comes_outside_of_its_attempt", lambda: history(told=with_event(8, attempt=1))),
    ("complete_tasks_say_their_prompt", lambda: history(replace(ROW, result="one two"))),
    ("complete_tasks_say_their_prompt", lambda: history(replace(ROW, result=PROMPT * 2))),
    ("complete_tasks_say_their_prompt", lambda: history(told=without(7))),
    ("complete_tasks_say_their_prompt", lambda: history(told=with_event(8, data={"offset": 0, "text": "one two "}))),
    ("cancelled_tasks_stay_cancelled", lambda: history(replace(ROW, archived_from=Status.CANCELLED))),
]


def running(**fields: Any) -> Row:
    return replace(ROW, status=Status.RUNNING, archived_from=None, **fields)


@pytest.mark.parametrize(("name", "make"), BAD, ids=[f"{name}-{number}" for number, (name, _) in enumerate(BAD)])
def test_bad_history_is_noticed_and_named(name: str, make: Callable[[], History]) -> None:
    violations = find_violations(make_asked(), make())
    assert name in violations
    assert violations[name][0].startswith(("a ", "b "))
    assert name.replace("_", " ") in describe(violations)


def test_every_invariant_has_its_bad_history() -> None:
    assert {name for name, _ in BAD} == {invariant.__name__ for invariant in INVARIANTS}


def test_cancel_that_was_confirmed_has_to_hold() -> None:
    asked = make_asked()
    asked.cancelled.add("a")
    assert broken(asked, history()) == {"cancelled_tasks_stay_cancelled"}


def test_task_cancelled_while_it_waits_after_its_return_breaks_nothing() -> None:
    asked = make_asked()
    asked.cancels_unanswered.add("a")
    told = [*good_events()[:4], replace(good_events()[8], kind="task_cancelled", attempt=1)]
    row = replace(ROW, attempts=1, archived_from=Status.CANCELLED, result=None)
    assert broken(asked, history(row, told)) == set()


def test_words_are_those_of_the_product() -> None:
    known = {words.STARTED, words.OUTPUT, *words.ENDS_OF_ATTEMPT, *words.AFTER_THE_END}
    assert known <= set(events.KINDS)


def test_recovery_is_counted_from_the_kill_to_the_next_start() -> None:
    kill = Done("kill worker", NOW + timedelta(seconds=2.5), 11)
    [recovery] = find_recoveries([kill], history())
    assert (recovery.attempt, recovery.seconds) == (1, 3.5)


@pytest.mark.parametrize(
    "kill",
    [
        Done("kill worker", NOW + timedelta(seconds=2.5), 12),
        Done("kill worker", NOW + timedelta(seconds=4.5), 11),
        Done("kill worker", NOW + timedelta(seconds=1.5), 11),
        Done("kill web", NOW + timedelta(seconds=2.5), 11),
    ],
)
def test_attempt_that_a_kill_did_not_interrupt_is_no_recovery(kill: Done) -> None:
    assert list(find_recoveries([kill], history())) == []


def test_schedule_is_the_same_for_the_same_seed_and_holds_every_kind() -> None:
    schedule = make_schedule(7, 10, 3.0)
    assert schedule == make_schedule(7, 10, 3.0)
    assert schedule != make_schedule(8, 10, 3.0)
    names = [name for _, name in schedule]
    assert set(names) == set(DISTURBANCES) == {*KILLS, *OTHERS}
    assert sum(name in KILLS for name in names) == 10
