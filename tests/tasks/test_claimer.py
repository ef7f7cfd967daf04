"""The claimer takes turns between queues, never takes more than it has slots for, and comes back by itself."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import OperationalError

from tasks import lifecycle
from tasks.claimer import Claimer
from tasks.lifecycle import Claimed
from tasks.models import Task

Answer = Callable[[int, int], Claimed]


class Database:
    """Answers claims as a test says, and remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []
        self.answer: Answer = lambda _queue, _limit: Claimed()
        self.was_asked = threading.Semaphore(0)

    def claim(self, *, queue_id: int, worker: str, limit: int) -> Claimed:
        self.asked.append((queue_id, limit))
        try:
            return self.answer(queue_id, limit)
        finally:
            self.was_asked.release()

    def wait_for(self, times: int) -> None:
        for _ in range(times):
            assert self.was_asked.acquire(timeout=20)


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Database:
    database = Database()
    monkeypatch.setattr(lifecycle, "claim", database.claim)
    return database


class Started:
    def __init__(self) -> None:
        self.tasks: list[Task] = []

    def __call__(self, task: Task) -> None:
        self.tasks.append(task)


@pytest.fixture
def started() -> Started:
    return Started()


@pytest.fixture
def make_claimer(started: Started) -> Iterator[Callable[[int], Claimer]]:
    made: list[Claimer] = []

    def make(slots: int) -> Claimer:
        made.append(Claimer(slots=slots, worker="w", start=started))
        return made[-1]

    yield make
    for claimer in made:
        claimer.close()


def tasks_of(queue_id: int, number: int, **fields: Any) -> list[Task]:
    return [Task(pk=one, queue_id=queue_id, owner_id=1, agent_id=1, **fields) for one in range(number)]


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < end, "it never happened"
        pause.wait(0.01)


def test_queue_is_asked_until_it_has_nothing(
    make_claimer: Callable[[int], Claimer], database: Database, started: Started
) -> None:
    answers = [Claimed(tasks=tasks_of(7, 2)), Claimed(tasks=tasks_of(7, 1)), Claimed()]
    database.answer = lambda _queue, _limit: answers.pop(0)
    make_claimer(10).look_at(7)
    database.wait_for(3)
    wait_until(lambda: len(started.tasks) == 3)
    assert [limit for _, limit in database.asked] == [10, 8, 7]


def test_busy_queue_does_not_keep_others_from_their_turn(
    make_claimer: Callable[[int], Claimer], database: Database
) -> None:
    gate = threading.Event()

    def answer(queue: int, limit: int) -> Claimed:
        gate.wait(20)
        return Claimed(tasks=tasks_of(queue, limit if queue == 1 else 0))

    database.answer = answer
    claimer = make_claimer(1)
    claimer.look_at(1)
    wait_until(lambda: len(database.asked) == 1)
    claimer.look_at(2)
    claimer.look_at(3)
    gate.set()
    database.wait_for(1)
    claimer.end(tasks_of(1, 1)[0])
    database.wait_for(3)
    assert [queue for queue, _ in database.asked] == [1, 2, 3, 1]


def test_slots_are_shared_between_waiting_queues(make_claimer: Callable[[int], Claimer], database: Database) -> None:
    gate = threading.Event()

    def answer(queue: int, _limit: int) -> Claimed:
        if queue == 0:
            gate.wait(20)
        return Claimed()

    database.answer = answer
    claimer = make_claimer(9)
    claimer.look_at(0)
    wait_until(lambda: len(database.asked) == 1)
    for queue in (1, 2, 3):
        claimer.look_at(queue)
    gate.set()
    database.wait_for(4)
    assert database.asked[1] == (1, 3)


def test_without_a_free_slot_nothing_is_asked(make_claimer: Callable[[int], Claimer], database: Database) -> None:
    database.answer = lambda queue, limit: Claimed(tasks=tasks_of(queue, limit))
    claimer = make_claimer(2)
    claimer.look_at(1)
    database.wait_for(1)
    claimer.look_at(2)
    assert database.was_asked.acquire(timeout=0.2) is False
    assert claimer.free_slots == 0


def test_it_looks_again_when_it_was_told_to(make_claimer: Callable[[int], Claimer], database: Database) -> None:
    answers = [Claimed(look_again_seconds=0.05), Claimed()]
    database.answer = lambda _queue, _limit: answers.pop(0)
    make_claimer(2).look_at(5)
    database.wait_for(2)
    assert [queue for queue, _ in database.asked] == [5, 5]


def test_end_of_a_task_wakes_other_queues_that_waited_for_its_limit(
    make_claimer: Callable[[int], Claimer], database: Database
) -> None:
    waiting = Claimed(waits_for=frozenset({("agent", 1)}))
    database.answer = lambda queue, _limit: waiting if queue == 8 else Claimed()
    claimer = make_claimer(2)
    claimer.look_at(8)
    database.wait_for(1)
    wait_until(lambda: claimer.free_slots == 2)
    claimer.end(tasks_of(3, 1)[0])
    database.wait_for(2)
    assert {queue for queue, _ in database.asked[1:]} == {3, 8}


def test_freed_place_wakes_one_queue_and_is_passed_on_when_that_does_not_take_it(
    make_claimer: Callable[[int], Claimer], database: Database
) -> None:
    full = Claimed(waits_for=frozenset({("owner", 1)}))
    database.answer = lambda _queue, _limit: full
    claimer = make_claimer(5)
    for queue in (1, 2, 3):
        claimer.look_at(queue)
    database.wait_for(3)
    wait_until(lambda: claimer.free_slots == 5)
    first = database.asked[0][0]
    second = database.asked[1][0]
    # The queue of the ended task looks first, then the one that waited longest, which has nothing to start any more.
    answers = {9: Claimed(), first: Claimed(), second: Claimed(tasks=tasks_of(second, 1)[:1])}
    database.answer = lambda queue, _limit: answers.pop(queue, Claimed())
    claimer.end(tasks_of(9, 1)[0])
    database.wait_for(4)
    assert [queue for queue, _ in database.asked[3:]] == [9, first, second, second]


def test_limit_that_is_freed_during_a_claim_is_not_missed(
    make_claimer: Callable[[int], Claimer], database: Database
) -> None:
    gate = threading.Event()
    answers = [Claimed(waits_for=frozenset({("agent", 1)})), Claimed(), Claimed()]

    def answer(_queue: int, _limit: int) -> Claimed:
        gate.wait(20)
        return answers.pop(0)

    database.answer = answer
    claimer = make_claimer(2)
    claimer.look_at(8)
    wait_until(lambda: len(database.asked) == 1)
    claimer.end(tasks_of(3, 1)[0])
    gate.set()
    database.wait_for(3)
    assert sorted(queue for queue, _ in database.asked) == [3, 8, 8]


def test_trouble_with_the_database_ends_nothing(make_claimer: Callable[[int], Claimer], database: Database) -> None:
    def fail(_queue: int, _limit: int) -> Claimed:
        raise OperationalError

    database.answer = fail
    claimer = make_claimer(3)
    claimer.look_at(1)
    database.wait_for(1)
    wait_until(lambda: claimer.free_slots == 3)
    database.answer = lambda _queue, _limit: Claimed()
    claimer.look_at(1)
    database.wait_for(1)


def test_closed_claimer_asks_nothing(make_claimer: Callable[[int], Claimer], database: Database) -> None:
    claimer = make_claimer(3)
    claimer.close()
    claimer.look_at(1)
    assert database.was_asked.acquire(timeout=0.2) is False
