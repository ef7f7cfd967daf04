"""Actions on many tasks in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from realtime.views.task_rows import query_string
from tasks import states
from tasks.models import BulkAction
from tasks.models.bulk_action import BulkVerb
from tasks.states import Status

LABELS: Final = {
    BulkVerb.CANCEL: "Cancel",
    BulkVerb.RETRY: "Retry",
    BulkVerb.ARCHIVE: "Archive",
    BulkVerb.MOVE: "Move",
}
_DONE: Final = {
    BulkVerb.CANCEL: "cancelled",
    BulkVerb.RETRY: "queued again",
    BulkVerb.ARCHIVE: "archived",
    BulkVerb.MOVE: "moved",
}
_SKIPPED: Final = {
    "illegal_transition": "had a status by then that does not allow it",
    "conflict": "had changed and did not fit the filter any more",
    "not_found": "did not exist any more",
    "concurrency_key_taken": "gave way to another task with the same concurrency key",
}
_ENDED: Final = {
    "permission_denied": "It ended early: you may not change these tasks any more.",
    "not_found": "It ended early: the queue to move to was deleted.",
}
_FILTER_WORDS: Final = {"search": "text", "created_after": "created after", "created_before": "created before"}


@dataclass(frozen=True)
class Progress:
    """A bulk action as its page tells it."""

    action: BulkAction

    @property
    def label(self) -> str:
        return LABELS[BulkVerb(self.action.action)]

    @property
    def done(self) -> str:
        return _DONE[BulkVerb(self.action.action)]

    @property
    def left(self) -> int:
        return self.action.total - self.action.processed

    @property
    def skipped(self) -> list[tuple[int, str]]:
        """How many tasks were left as they were, and why."""
        counts = sorted(self.action.errors.items())
        return [(count, _SKIPPED.get(code, "could not be changed")) for code, count in counts if not self._is_end(code)]

    @property
    def early_end(self) -> str:
        """Why it did not go on by itself; empty when it did."""
        return next((_ENDED[code] for code in sorted(self.action.errors) if self._is_end(code)), "")

    @property
    def filter_words(self) -> str:
        return words_of_filter(self.action.filter)

    def _is_end(self, code: str) -> bool:
        # What stops the whole is counted beside the skipped tasks.
        return code in _ENDED and sum(self.action.errors.values()) > self.action.skipped


def offered(wanted: Mapping[str, Any]) -> list[dict[str, str]]:
    """What can be asked of all tasks that a filter shows, with the address that asks whether it is meant."""
    shown = [Status.from_word(wanted["status"])] if "status" in wanted else list(Status)
    filter_query = dict(wanted)
    return [
        {"label": f"{label} all…", "query": query_string(filter_query, action=verb.value)}
        for verb, label in LABELS.items()
        if any(states.may(verb, status) for status in shown)
    ]


def words_of_filter(conditions: Mapping[str, Any]) -> str:
    """The conditions of a bulk action for people, as far as they are any."""
    told = [_condition(name, value) for name, value in conditions.items() if name != "all"]
    return " · ".join(told) or "all tasks"


def _condition(name: str, value: Any) -> str:
    if name == "dead":
        return "attempts used up" if value else "attempts not used up"
    if isinstance(value, list):
        return f"{name} {' or '.join(str(each) for each in value)}"
    return f"{_FILTER_WORDS.get(name, name)} {value}"
