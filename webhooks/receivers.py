"""What the history's signal sets off here, inside the transaction of what happened."""

from collections.abc import Sequence
from typing import Any

from django.dispatch import receiver

from tasks.models import TaskEvent
from tasks.signals import task_events_recorded
from webhooks.notices import recording
from webhooks.outbound import recording as deliveries
from webhooks.telegram import threads


@receiver(task_events_recorded, dispatch_uid="webhooks.note_events")
def note_events(events: Sequence[TaskEvent], **_: Any) -> None:
    for event in events:
        recording.note_event(event)


@receiver(task_events_recorded, dispatch_uid="webhooks.write_deliveries")
def write_deliveries(events: Sequence[TaskEvent], **_: Any) -> None:
    deliveries.note_events(events)


@receiver(task_events_recorded, dispatch_uid="webhooks.look_at_threads")
def look_at_threads(events: Sequence[TaskEvent], **_: Any) -> None:
    threads.note_events(events)
