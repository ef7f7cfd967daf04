"""The parts of a task's page that change with events."""

from dataclasses import dataclass
from typing import Any, Final

from accounts.models import User
from realtime.views.task_facts import attempts_with_usage, facts_of
from realtime.views.timeline import timeline_of
from realtime.views.waiting_words import tell_waiting
from tasks import access, lifecycle, states
from tasks.attempt_history import MOST_ATTEMPTS, Attempt, Outcome, cancellation_of
from tasks.models import Task
from tasks.states import Status

# In the order in which the buttons stand.
VERBS: Final = {
    "cancel": lifecycle.cancel,
    "retry": lifecycle.retry,
    "release": lifecycle.release,
    "backlog": lifecycle.backlog,
    "restore": lifecycle.restore,
    "archive": lifecycle.archive,
}
_LABELS: Final = {
    "cancel": "Cancel",
    "retry": "Retry",
    "release": "Release",
    "backlog": "Put into backlog",
    "restore": "Restore",
    "archive": "Archive",
}
# So many fit beside the heading of the output; the list below has the others.
_MOST_TABS: Final = 6
_OUTCOMES: Final = {
    Outcome.RUNNING: ("running", "running"),
    Outcome.COMPLETE: ("complete", "complete"),
    Outcome.FAILED: ("failed", "failed"),
    Outcome.RETRIED: ("failed", "failed, tried again"),
    Outcome.HELD: ("ready", "held by a limit"),
    Outcome.CANCELLED: ("cancelled", "cancelled"),
    Outcome.RETURNED: ("backlogged", "stopped, put back"),
    Outcome.LOST: ("failed", "worker lost"),
}


@dataclass(frozen=True, kw_only=True)
class ShownAttempt:
    """An attempt, the look of its badge and the words on it."""

    attempt: Attempt
    look: str
    words: str


def panel_of(user: User, task: Task) -> dict[str, Any]:
    """What the templates of the page and of its fragment show about a task."""
    may_change = access.is_owner_or_operator(user, task, "change")
    allowed = states.verbs_for(task.state, is_pruned=task.pruned_at is not None) if may_change else frozenset()
    facts = facts_of(user, task, may_change=may_change)
    if facts["approval"] is not None:
        # It would be refused: the answer to the question releases it.
        allowed -= {"release"}
    return {
        **facts,
        "section": "tasks",
        "task": task,
        "actions": [
            {"verb": verb, "label": _LABELS[verb], "route": f"task-{verb}"} for verb in VERBS if verb in allowed
        ],
        "may_edit": "edit" in allowed,
        "is_dead": task.state == Status.FAILED and task.dead_at is not None,
        "waiting": tell_waiting(task),
        "cancellation": cancellation_of(task),
        "attempt": task.attempts,
        "tabs": range(max(1, task.attempts - _MOST_TABS + 1), task.attempts + 1),
        "history": [_shown(attempt) for attempt in attempts_with_usage(task)],
        "most_attempts_shown": MOST_ATTEMPTS,
        "most_attempts": task.free_attempts + task.max_attempts,
        "timeline": timeline_of(task),
    }


def _shown(attempt: Attempt) -> ShownAttempt:
    look, words = _OUTCOMES[attempt.outcome]
    return ShownAttempt(attempt=attempt, look=look, words=words)
