"""Bulk actions as clients ask for them and see them."""

from collections.abc import Callable
from typing import Any, ClassVar, Final

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.reverse import reverse

from personalq.lib.fields import (
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictListField,
    StrictSerializer,
)
from tasks.api.filters import USERNAME_LENGTH, TaskConditions
from tasks.api.forms import Cancellation
from tasks.models import BulkAction
from tasks.models.bulk_action import BulkStatus, BulkVerb
from tasks.names import NAME_LENGTH
from tasks.states import WORDS, Status


class _StatusesField(StrictListField):
    """Words of statuses; each at most once."""

    default_error_messages: ClassVar[dict[str, Any]] = {"repeated": "Name each status once."}

    def __init__(self, **options: Any) -> None:
        super().__init__(child=StrictChoiceField(choices=WORDS), min_length=1, max_length=len(WORDS), **options)

    def to_internal_value(self, data: Any) -> list[Any]:
        words = super().to_internal_value(data)
        if len(set(words)) != len(words):
            self.fail("repeated")
        return [Status.from_word(word) for word in words]


class BulkFilter(TaskConditions):
    """Which tasks a bulk action means, as the parameters of the list of tasks would have it."""

    status = _StatusesField(required=False, help_text="One or more.")
    dead = StrictBooleanField(required=False, help_text="Whether it failed because its attempts were used up.")
    owner = StrictCharField(
        max_length=USERNAME_LENGTH,
        required=False,
        help_text="For operators: a user name, or `all`. Without it your own tasks are meant.",
    )
    all = StrictBooleanField(required=False, help_text="`true` in place of conditions means every task.")

    default_error_messages: ClassVar[dict[str, Any]] = {
        "empty": "Name at least one condition, or send `all` with true if every task is meant.",
        "ambiguous": "Send either true here or conditions, not both.",
    }

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        has_conditions = bool(set(attrs) - {"owner", "all"})
        if has_conditions and "all" in attrs:
            raise _blame("all", "ambiguous", self.error_messages["ambiguous"])
        if not has_conditions and not attrs.get("all"):
            self.fail("empty")
        return attrs


class BulkActionForm(Cancellation):
    """One verb for many tasks."""

    action = StrictChoiceField(choices=BulkVerb.values)
    filter = BulkFilter()
    queue = StrictCharField(
        max_length=NAME_LENGTH,
        required=False,
        help_text="For `move`: where to, by id or name among the tasks' owner's.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["action"] == BulkVerb.MOVE and "queue" not in attrs:
            raise _blame("queue", "required", "Name the queue to move to.")
        for field, verb in (("queue", BulkVerb.MOVE), ("reason", BulkVerb.CANCEL)):
            if field in attrs and attrs["action"] != verb:
                raise _blame(field, "unexpected", f"Only {verb} takes this. Remove it.")
        return attrs


class DeadLetterFilter(StrictSerializer):
    """Which dead letters are meant; all of yours without a body."""

    agent = StrictCharField(max_length=NAME_LENGTH, required=False, help_text="An agent's id, or the name of yours.")
    queue = StrictCharField(max_length=NAME_LENGTH, required=False, help_text="A queue's id or name.")


def _blame(field: str, code: str, message: Any) -> ValidationError:
    return ValidationError({field: [ErrorDetail(str(message), code)]})


# --- Answers ----------------------------------------------------------------------------------------------


class BulkErrorCount(serializers.Serializer[Any]):
    """Why tasks were skipped, or why the rest was not reached."""

    code = serializers.CharField(help_text="As in problem documents.")
    count = serializers.IntegerField(help_text="How many tasks; 1 for what stopped the whole.")


class BulkActionDocument(serializers.Serializer[Any]):
    """A bulk action and how far it is."""

    uuid = serializers.UUIDField()
    action = serializers.ChoiceField(choices=BulkVerb.values)
    filter = serializers.DictField(child=serializers.JSONField(), help_text="As it was sent.")
    queue = serializers.CharField(allow_null=True, help_text="For `move`: the name of the queue to move to.")
    reason = serializers.CharField()
    status = serializers.ChoiceField(choices=BulkStatus.values)
    total = serializers.IntegerField(help_text="The tasks that were meant when it was asked.")
    processed = serializers.IntegerField(help_text="`changed` and `skipped` together.")
    changed = serializers.IntegerField()
    skipped = serializers.IntegerField(help_text="What had changed meanwhile, or could not be done; see `errors`.")
    errors = BulkErrorCount(many=True)  # type: ignore[assignment]  # what clients know it by
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    by = serializers.CharField(help_text="The user name of who asked for it.")
    url = serializers.URLField()

    class Meta:
        ref_name = "BulkAction"


class BulkActionPage(serializers.Serializer[Any]):
    """Bulk actions, newest first."""

    results = BulkActionDocument(many=True)
    next = serializers.URLField(allow_null=True, help_text="The next page; null on the last one.")
    previous = serializers.URLField(allow_null=True)


_PLAIN: Final = (
    "uuid", "action", "filter", "reason", "status", "total", "processed", "changed", "skipped",
    "created_at", "started_at", "finished_at",
)  # fmt: skip


def bulk_action_row(request: Request) -> Callable[[BulkAction], dict[str, Any]]:
    """A bulk action."""
    base = reverse("api-bulk-actions", request=request)

    def represent(action: BulkAction) -> dict[str, Any]:
        return {
            **{name: getattr(action, name) for name in _PLAIN},
            "queue": action.queue.name if action.queue else None,
            "errors": [{"code": code, "count": count} for code, count in sorted(action.errors.items())],
            "by": action.owner.get_username(),
            "url": f"{base}/{action.uuid}",
        }

    return represent
