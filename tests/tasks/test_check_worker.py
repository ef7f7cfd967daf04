"""The health check of a worker's container."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db.models.functions import Now
from django.utils import timezone

from tasks import heartbeats
from tasks.heartbeats import Pulse
from tasks.models import Heartbeat
from tasks.models.heartbeat import Role

pytestmark = pytest.mark.django_db


def check() -> str:
    said = StringIO()
    call_command("check_worker", stdout=said)
    return said.getvalue()


def test_worker_of_this_machine_counts() -> None:
    Pulse(worker="here:1", slots=4).beat(running=0)
    assert "is at work" in check()


def test_worker_of_another_machine_does_not() -> None:
    heartbeats.beat(name="worker:there:1", role=Role.WORKER, started_at=timezone.now(), data={"host": "there"})
    with pytest.raises(CommandError, match="No worker on this machine"):
        check()


def test_sweep_does_not() -> None:
    heartbeats.beat_sweep(started_at=timezone.now())
    with pytest.raises(CommandError):
        check()


def test_worker_that_fell_silent_does_not() -> None:
    Pulse(worker="here:1", slots=4).beat(running=0)
    Heartbeat.objects.update(seen_at=Now() - timedelta(seconds=31))
    with pytest.raises(CommandError):
        check()
