"""Signs of life: one row for each process, written by the database's clock."""

import time
import tomllib
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db.models.functions import Now
from django.utils import timezone

from personalq.lib.version import VERSION
from tasks import heartbeats
from tasks.heartbeats import Pulse
from tasks.models import Heartbeat
from tasks.models.heartbeat import Role
from tests.concurrency.racing import failures, race

pytestmark = pytest.mark.django_db(transaction=True)


def beat(name: str = "worker:here:1", **data: Any) -> None:
    heartbeats.beat(name=name, role=Role.WORKER, started_at=timezone.now(), data=data)


def let_pass(seconds: float, name: str = "worker:here:1") -> None:
    """Make it as if the last beat had been so long ago."""
    Heartbeat.objects.filter(name=name).update(seen_at=Now() - timedelta(seconds=seconds))


def test_beat_is_seen_and_ages() -> None:
    beat()
    assert Heartbeat.objects.seen_within(30).count() == 1
    let_pass(31)
    assert Heartbeat.objects.seen_within(30).count() == 0


def test_next_beat_renews_the_row_and_its_facts() -> None:
    beat(running=1)
    first = Heartbeat.objects.get()
    let_pass(31)
    beat(running=2)
    second = Heartbeat.objects.get()
    assert second.seen_at >= first.seen_at
    assert second.started_at > first.started_at
    assert second.data == {"running": 2}


def test_many_at_once_leave_one_row_for_each_name() -> None:
    names = ["worker:here:1", "worker:here:2"] * 8
    results = race(*[lambda name=name: beat(name) for name in names])
    assert failures(results) == []
    assert set(Heartbeat.objects.values_list("name", flat=True)) == set(names)


def test_who_ends_in_order_is_forgotten() -> None:
    pulse = Pulse(worker="here:1", slots=4)
    pulse.beat(running=0)
    beat("worker:here:2")
    pulse.stop()
    assert Heartbeat.objects.get().name == "worker:here:2"


def test_pulse_is_due_at_once_and_then_every_few_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    pulse = Pulse(worker="here:1", slots=4)
    assert pulse.is_due
    pulse.beat(running=0)
    began = time.monotonic()
    due_after = {}
    for seconds in (4.0, 5.0):
        monkeypatch.setattr(time, "monotonic", lambda seconds=seconds: began + seconds)
        due_after[seconds] = pulse.is_due
    assert due_after == {4.0: False, 5.0: True}


def test_pulse_tells_what_an_operator_wants_to_know() -> None:
    Pulse(worker="here:1", slots=4).beat(running=3)
    row = Heartbeat.objects.get()
    assert (row.name, row.role) == ("worker:here:1", "worker")
    assert {"slots": 4, "running": 3, "version": VERSION}.items() <= row.data.items()
    assert set(row.data) == {"slots", "running", "version", "host", "pid"}


def test_sweep_forgets_who_was_silent_for_a_day_and_nobody_else() -> None:
    beat("worker:old:1")
    let_pass(24 * 3600 + 1, "worker:old:1")
    beat("worker:young:1")
    let_pass(24 * 3600 - 60, "worker:young:1")
    heartbeats.beat_sweep(started_at=timezone.now())
    assert set(Heartbeat.objects.values_list("name", flat=True)) == {"worker:young:1", "sweep"}


def test_told_version_is_the_true_one() -> None:
    project = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION
