"""Writing down what is to be told, in the transaction of what happened."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from django.db import models
from django.db.models.functions import Coalesce, Now

from tasks import events
from tasks.models import TaskEvent
from webhooks.models import Notice, NoticeChoice, NoticeKind

KINDS: Final[Mapping[str, NoticeKind]] = {
    events.COMPLETED: NoticeKind.FINISHED,
    events.FAILED: NoticeKind.FAILED,
    events.APPROVAL_REQUESTED: NoticeKind.APPROVAL,
    events.BUDGET_WARNING: NoticeKind.BUDGET,
}
"""Which events are told as what."""

_TOLD: Final = ("error_code", "budget", "percent", "period", "name")


def note_event(event: TaskEvent) -> None:
    """Note what the event's owner wants to be told of it, if anything."""
    kind = KINDS.get(event.kind)
    if kind is not None and event.owner_id is not None:
        facts = {name: event.data[name] for name in _TOLD if name in event.data}
        note(owner_id=event.owner_id, kind=kind, task_id=event.task_id, **facts)


def note(*, owner_id: int, kind: NoticeKind, task_id: int | None = None, **facts: Any) -> None:
    """Note one thing, when its owner chose this kind. The first one decides when the letter goes out."""
    wanting = NoticeChoice.objects.filter(owner_id=owner_id, **{f"wants_{kind}": True})
    minutes = wanting.values_list("batch_minutes", flat=True).first()
    if minutes is None:
        return
    Notice.objects.create(owner_id=owner_id, kind=kind, task_id=task_id, facts=facts)
    due_at = Coalesce("due_at", Now() + timedelta(minutes=minutes), output_field=models.DateTimeField())
    wanting.update(due_at=due_at)
