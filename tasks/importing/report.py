"""What became of every row and setting, for people and for programs."""

from dataclasses import dataclass, field
from typing import Any, Final

from tasks.importing.values import REASONS

SHOWN: Final = 20
"""How many of each list the summary shows; a report holds all of them."""

_OPERATOR_WAS_ON: Final = (
    "The task operator was on over there and was not turned on here. Look at the tasks first, then turn it on: "
    "manage.py enable_task_operator"
)


@dataclass(frozen=True, kw_only=True)
class RefusedRow:
    """A row that did not come in. `id` is its number over there, if it had one."""

    place: int
    id: int | None
    field: str
    reason: str

    def as_json(self) -> dict[str, Any]:
        return {
            "row": self.place,
            "id": self.id,
            "field": self.field,
            "reason": self.reason,
            "sentence": REASONS[self.reason],
        }


@dataclass
class Report:
    """Counts and lists; places count the rows from 1 in the order of their numbers."""

    is_dry_run: bool
    read: int = 0
    imported: int = 0
    present: int = 0
    refused: list[RefusedRow] = field(default_factory=list)
    renumbered: list[dict[str, int]] = field(default_factory=list)
    """The numbers that changed: `row`, `from` and `to`."""
    was_in_progress: list[int] = field(default_factory=list)
    """Numbers over there of tasks that somebody worked on, and that are ready now."""
    settings_kept: list[str] = field(default_factory=list)
    settings_present: list[str] = field(default_factory=list)
    settings_refused: list[str] = field(default_factory=list)
    was_task_operator_on: bool = False

    def as_json(self, *, is_whole: bool) -> dict[str, Any]:
        """Everything, or counts with the beginning of each list."""
        most = None if is_whole else SHOWN
        told: dict[str, Any] = {
            "dry_run": self.is_dry_run,
            "read": self.read,
            "imported": self.imported,
            "present": self.present,
            "refused": len(self.refused),
            "renumbered": len(self.renumbered),
            "was_in_progress": len(self.was_in_progress),
            "refused_rows": [row.as_json() for row in self.refused[:most]],
            "renumbered_rows": self.renumbered[:most],
            "was_in_progress_ids": self.was_in_progress[:most],
            "settings": {
                "kept": self.settings_kept[:most],
                "present": self.settings_present[:most],
                "refused": self.settings_refused[:most],
            },
            "task_operator_was_on": self.was_task_operator_on,
        }
        return {**told, "advice": _OPERATOR_WAS_ON} if self.was_task_operator_on else told
