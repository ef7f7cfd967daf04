"""Whether a worker on this machine has lately shown that it works: for the health check of its container."""

import socket
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tasks.models import Heartbeat
from tasks.models.heartbeat import Role
from tasks.readiness import WORKER_SECONDS


class Command(BaseCommand):
    help = "Exit with 0 when a worker on this machine was seen within the last 30 seconds, else with 1."
    requires_system_checks: list[str] = []

    def handle(self, *_: Any, **__: Any) -> None:
        here = Heartbeat.objects.filter(role=Role.WORKER, data__host=socket.gethostname())
        if not here.seen_within(WORKER_SECONDS).exists():
            raise CommandError("No worker on this machine has shown a sign of life lately. Its log tells why.")
        self.stdout.write("A worker is at work here.")
