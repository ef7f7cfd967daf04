"""What clients may send in bodies about tasks and queues."""

from datetime import datetime
from typing import Any, ClassVar, Final, NoReturn

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework.exceptions import ErrorDetail, ValidationError

from personalq.lib.fields import (
    LARGEST_INTEGER,
    SomeChange,
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictDateTimeField,
    StrictIntegerField,
    StrictJSONField,
    StrictSerializer,
)
from tasks.models import PROMPT_LENGTH, TITLE_LENGTH, ConcurrencyPolicy
from tasks.models.task import CONCURRENCY_KEY_LENGTH, ORIGIN_LENGTH
from tasks.names import NAME_LENGTH, queue_name

SMALLEST_INTEGER: Final = -LARGEST_INTEGER - 1
INPUT_BYTES: Final = 64 * 1024
REASON_LENGTH: Final = 500
NAME_HELP: Final = "Unique among yours."


@extend_schema_field({"type": ["object", "array", "string", "number", "boolean"]})
class AnyJsonField(StrictJSONField):
    """JSON of any kind."""


class TaskForm(StrictSerializer):
    """A new task."""

    agent = StrictCharField(max_length=NAME_LENGTH, help_text="The id or name of one of your agents.")
    prompt = StrictCharField(max_length=PROMPT_LENGTH, help_text="What the agent shall do.")
    title = StrictCharField(max_length=TITLE_LENGTH, required=False, allow_blank=True, single_line=True)
    order = StrictIntegerField(
        min_value=SMALLEST_INTEGER, max_value=LARGEST_INTEGER, required=False, help_text="Lower runs first."
    )
    input = AnyJsonField(
        max_bytes=INPUT_BYTES,
        required=False,
        allow_null=True,
        help_text="Data for the agent beside the prompt.",
    )
    not_before_at = StrictDateTimeField(required=False, allow_null=True, help_text="Do not begin before this time.")
    queue = StrictCharField(
        max_length=NAME_LENGTH, required=False, help_text="A queue's id or name; without it the agent's own."
    )
    backlogged = StrictBooleanField(required=False, help_text="Put it aside until it is released.")
    start_by_at = StrictDateTimeField(
        required=False, allow_null=True, help_text="It fails if it has not begun by this time."
    )
    conversation = StrictCharField(
        max_length=NAME_LENGTH,
        required=False,
        help_text="The id of a conversation or of an earlier task to go on from, or `new`.",
    )
    untrusted_text = StrictCharField(
        max_length=PROMPT_LENGTH,
        required=False,
        allow_blank=True,
        help_text="Text from outside that the prompt is about. The agent gets it as data, never as instructions.",
    )
    trusted = StrictBooleanField(
        required=False, help_text="Whether the prompt is your own word; false: the agent gets it as data, too."
    )
    origin = StrictCharField(
        max_length=ORIGIN_LENGTH,
        required=False,
        allow_blank=True,
        single_line=True,
        help_text="Where the text came from, in words.",
    )
    concurrency_key = StrictCharField(
        max_length=CONCURRENCY_KEY_LENGTH,
        single_line=True,
        refuse_edge_space=True,
        required=False,
        help_text="Of your tasks with the same key only one runs at a time.",
    )
    concurrency_policy = StrictChoiceField(
        choices=ConcurrencyPolicy.values,
        required=False,
        help_text=(
            "What to do about your other unfinished tasks with this key: `singleton` (without it) waits for those that "
            "run, `cancel_older` cancels them, `drop_newer` answers 409 `concurrency_key_taken` if there is one."
        ),
    )

    default_error_messages: ClassVar[dict[str, Any]] = {
        "past": "Send a time in the future.",
        "before_due": "Send a time that is not before `not_before_at`.",
        "backlogged": "A task in the backlog waits as long as you like. Leave this out.",
        "without_key": "Send a `concurrency_key`, too.",
    }

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.get("start_by_at") is not None:
            self._check_start(attrs["start_by_at"], attrs)
        if "concurrency_policy" in attrs and "concurrency_key" not in attrs:
            self._refuse("concurrency_policy", "without_key")
        return attrs

    def _check_start(self, start_by_at: datetime, attrs: dict[str, Any]) -> None:
        if attrs.get("backlogged"):
            self._refuse("start_by_at", "backlogged")
        if start_by_at <= timezone.now():
            self._refuse("start_by_at", "past")
        if attrs.get("not_before_at") is not None and start_by_at < attrs["not_before_at"]:
            self._refuse("start_by_at", "before_due")

    def _refuse(self, field: str, code: str) -> NoReturn:
        raise ValidationError({field: [ErrorDetail(str(self.error_messages[code]), code)]})


class TaskChanges(SomeChange):
    """What can be changed on a task that is neither running nor archived."""

    prompt = StrictCharField(max_length=PROMPT_LENGTH, required=False)
    title = StrictCharField(max_length=TITLE_LENGTH, required=False, allow_blank=True, single_line=True)
    order = StrictIntegerField(min_value=SMALLEST_INTEGER, max_value=LARGEST_INTEGER, required=False)
    queue = StrictCharField(
        max_length=NAME_LENGTH, required=False, help_text="The id or name of the queue to move it to."
    )


class Cancellation(StrictSerializer):
    """Why a task is cancelled."""

    reason = StrictCharField(
        max_length=REASON_LENGTH, required=False, allow_blank=True, help_text="Kept in the task's history."
    )


class _QueueLimits(StrictSerializer):
    concurrency_limit = StrictIntegerField(
        min_value=1, max_value=10_000, required=False, help_text="Tasks of it that may run at once."
    )
    rate_limit = StrictIntegerField(
        min_value=1,
        max_value=10_000,
        required=False,
        allow_null=True,
        help_text="Tasks of it that may start within one period; null: any number.",
    )
    rate_period_seconds = StrictIntegerField(
        min_value=1, max_value=86_400, required=False, help_text="How long a period of the rate limit is."
    )


class QueueForm(_QueueLimits):
    """A new queue."""

    name = StrictCharField(max_length=NAME_LENGTH, validators=[queue_name], help_text=NAME_HELP)


class QueueChanges(SomeChange, _QueueLimits):
    """Changes of a queue."""
