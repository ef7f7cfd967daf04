"""Who writes the heartbeats: the engine's loop and the sweep, and only as long as they really work."""

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
from django.db.models.functions import Now
from pytest_django.fixtures import Settings

from tasks import heartbeats, lifecycle
from tasks.engine import Engine
from tasks.models import Heartbeat, Task
from tasks.sweep import sweep
from tests.makers import make_agent, make_running, make_user
from tests.realtime.sockets.serving import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

# Some twenty beats of the engine of these tests.
LONG_ENOUGH_SECONDS = 1.0


@pytest.fixture
def engine(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An engine that beats with each look of its watch."""
    settings.PERSONALQ_WATCH_SECONDS = 0.05
    monkeypatch.setattr(heartbeats, "BEAT_SECONDS", 0.0)
    engine = Engine(slots=7)
    yield engine
    engine.shut_down(0)


def seen_at() -> datetime | None:
    return Heartbeat.objects.filter(role="worker").values_list("seen_at", flat=True).first()


def newer_than(moment: datetime | None) -> Callable[[], bool]:
    return lambda: (now := seen_at()) is not None and (moment is None or now > moment)


def test_idle_worker_is_seen_again_and_again(engine: Engine) -> None:
    wait_for(newer_than(None), "the first beat")
    wait_for(newer_than(seen_at()), "the next beat")
    data = Heartbeat.objects.get().data
    assert (data["slots"], data["running"]) == (7, 0)


def test_worker_whose_loop_hangs_falls_silent(engine: Engine) -> None:
    wait_for(newer_than(None), "the first beat")
    hangs, goes_on = threading.Event(), threading.Event()

    def hang() -> None:
        hangs.set()
        goes_on.wait(60)

    engine._loop.call_soon_threadsafe(hang)
    assert hangs.wait(20)
    # A beat under way is written now.
    engine._watch_database._pool.submit(lambda: None).result(20)
    seen = [seen_after_a_while() for _ in range(2)]
    goes_on.set()
    assert seen[0] == seen[1]
    wait_for(newer_than(seen[1]), "a beat of the loop that goes on")


def seen_after_a_while() -> datetime | None:
    """The last beat, when one that was under way has long arrived and many more would have been due."""
    threading.Event().wait(LONG_ENOUGH_SECONDS)
    return seen_at()


def test_worker_that_ends_in_order_is_not_waited_for() -> None:
    engine = Engine(slots=7)
    wait_for(newer_than(None), "the first beat")
    engine.shut_down(0)
    assert not Heartbeat.objects.exists()


def test_sweep_is_seen() -> None:
    sweep()
    assert Heartbeat.objects.get().name == "sweep"


def test_sweep_that_did_not_come_to_its_end_is_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise ZeroDivisionError

    task, _ = make_running(make_agent(make_user()))
    Task.objects.filter(pk=task.pk).update(lease_expires_at=Now() - timedelta(seconds=1))
    monkeypatch.setattr(lifecycle, "recover_lost", fail)
    with pytest.raises(ZeroDivisionError):
        sweep()
    assert not Heartbeat.objects.exists()
