"""The forms of queues, of actions on many tasks and of the stop switch."""

from collections.abc import Iterable
from typing import Any, Final

from django import forms

from accounts.models import User
from realtime.forms.fields import AnswerableForm, OnceForm, PlainCharField, QueueField, SingleLineField, limit_field
from tasks.api.forms import REASON_LENGTH
from tasks.api.stop_switch_views import FINISH, STOP
from tasks.models import Queue
from tasks.models.bulk_action import BulkVerb
from tasks.names import NAME_LENGTH

LIMITS: Final = ("concurrency_limit", "rate_limit", "rate_period_seconds")


class QueueLimitsForm(AnswerableForm):
    """How much a queue lets through."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for name in LIMITS:
            self.fields[name] = limit_field(Queue, name)

    @property
    def limits(self) -> Iterable[forms.BoundField]:
        return [self[name] for name in LIMITS]


class QueueForm(QueueLimitsForm):
    """A new queue."""

    name = SingleLineField(max_length=NAME_LENGTH, help_text="Unique among yours. It cannot be changed later.")
    is_shared = forms.BooleanField(
        label="Shared by everybody",
        required=False,
        help_text="It belongs to the operators; everybody may put tasks into it.",
    )

    def __init__(self, *args: Any, may_share: bool, **options: Any) -> None:
        super().__init__(*args, **options)
        if not may_share:
            del self.fields["is_shared"]


class BulkForm(OnceForm):
    """What an action on many tasks needs beside the filter."""

    reason = PlainCharField(max_length=REASON_LENGTH, required=False, help_text="Kept in each task's history.")
    queue = QueueField(label="Move them to", empty_label="Choose a queue")

    def __init__(self, action: str, owner: User, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        queue: Any = self.fields["queue"]
        queue.offer_to(owner)
        for name, verb in (("reason", BulkVerb.CANCEL), ("queue", BulkVerb.MOVE)):
            if action != verb:
                del self.fields[name]


class StopForm(AnswerableForm):
    """Why everything stops, and what becomes of the tasks that run."""

    reason = PlainCharField(max_length=REASON_LENGTH, required=False, help_text="Everybody who is signed in sees it.")
    running = forms.ChoiceField(
        label="Tasks that run now",
        choices=[(STOP, "Stop what runs"), (FINISH, "Let it finish")],
        initial=STOP,
        widget=forms.RadioSelect,
    )
