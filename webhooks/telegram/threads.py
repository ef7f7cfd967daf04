"""Noticing that something happened to a task that came from Telegram."""

from collections.abc import Sequence
from typing import Final

from django.db.models.functions import Now

from tasks import events
from tasks.models import TaskEvent
from tasks.models.task import Source
from webhooks.models import TelegramThread
from webhooks.telegram import nudges

NEWS: Final = frozenset(
    {
        events.STARTED, events.COMPLETED, events.FAILED, events.CANCELLED, events.RETRIED, events.BACKLOGGED,
        events.RELEASED, events.EDITED, events.HELD, events.ADOPTED, events.PARKED, events.APPROVAL_REQUESTED,
        events.APPROVED, events.DENIED, events.ALARM, events.RESTORED,
    }
)  # fmt: skip
"""What may change the status. Output is looked at every few seconds while a task runs."""


def note_events(happened: Sequence[TaskEvent]) -> None:
    """Let workers look at the threads of these tasks, in the transaction of what happened."""
    task_ids = {
        event.task.pk
        for event in happened
        if event.kind in NEWS and event.task is not None and event.task.source == Source.TELEGRAM
    }
    if not task_ids:
        return
    threads = TelegramThread.objects.filter(task_id__in=task_ids)
    for bot_id in set(threads.values_list("link__bot_id", flat=True)):
        nudges.nudge_after_commit(bot_id)
    threads.update(due_at=Now())
