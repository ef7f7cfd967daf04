"""A reader of "everything after n" skips nothing, even when a lower number commits after a higher one."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections, transaction

from tasks import events, feed
from tasks.models import Task
from tests.makers import make_agent, make_task, make_user

pytestmark = pytest.mark.django_db(transaction=True)


def read_new(after: int) -> list[int]:
    return [event.id for event in feed.read(after=after, up_to=feed.horizon())]


def test_lower_number_that_commits_later_is_not_skipped() -> None:
    agent = make_agent(make_user())
    slow, quick = make_task(agent), make_task(agent)
    start = feed.horizon()
    drawn, may_commit = threading.Event(), threading.Event()
    numbers: dict[str, int] = {}

    def write_slowly() -> None:
        try:
            with transaction.atomic():
                numbers["slow"] = events.record(slow, events.EDITED).id
                drawn.set()
                assert may_commit.wait(30)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write_slowly)
        assert drawn.wait(30)
        with transaction.atomic():
            numbers["quick"] = events.record(quick, events.EDITED).id
        assert numbers["slow"] < numbers["quick"]
        assert read_new(start) == []
        may_commit.set()
        writing.result()
    assert read_new(start) == [numbers["slow"], numbers["quick"]]


def test_number_of_a_rolled_back_event_holds_nobody_up() -> None:
    task = make_task(make_agent(make_user()))
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        events.record(task, events.EDITED)
        _ = 1 / 0
    later = events.record(task, events.EDITED)
    assert feed.horizon() == later.id


def test_guard_taken_in_a_rolled_back_savepoint_is_taken_again() -> None:
    task = make_task(make_agent(make_user()))
    with transaction.atomic():
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            events.record(task, events.EDITED)
            _ = 1 / 0
        events.record(task, events.EDITED)
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
            assert cursor.fetchone()[0] == 1


def test_steady_reader_sees_every_event_once_and_in_order() -> None:
    agent = make_agent(make_user())
    tasks: list[Task] = [make_task(agent) for _ in range(4)]
    start = feed.horizon()
    written_by_each = 60
    writers_done = threading.Event()

    def write(task: Task) -> list[int]:
        try:
            numbers = []
            for _ in range(written_by_each):
                with transaction.atomic():
                    numbers.append(events.record(task, events.EDITED).id)
            return numbers
        finally:
            connections.close_all()

    def read() -> list[int]:
        try:
            seen: list[int] = []
            while True:
                is_last_look = writers_done.is_set()
                seen += read_new(seen[-1] if seen else start)
                if is_last_look:
                    return seen
        finally:
            connections.close_all()

    with ThreadPoolExecutor(5) as pool:
        reading = pool.submit(read)
        writing = [pool.submit(write, task) for task in tasks]
        written = [number for one in writing for number in one.result()]
        writers_done.set()
        seen = reading.result()
    assert seen == sorted(written)
