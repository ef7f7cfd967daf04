"""What the history's signal sets off here."""

from typing import Any

from django.db import transaction
from django.dispatch import receiver

from realtime import announcer
from tasks.signals import task_events_recorded


@receiver(task_events_recorded, dispatch_uid="realtime.announce")
def announce_after_commit(**_: Any) -> None:
    # Robust: what is committed has happened, and a failing announcement must not tell the writer otherwise.
    transaction.on_commit(announcer.announce, robust=True)
