"""Taking the contents out of tasks whose time is over; what counts and spending need stays in the row."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from tasks import events
from tasks.lifecycle import rows
from tasks.models import Approval, Artifact, Conversation, Task, TaskEvent

BATCH: Final = 50
"""How many tasks one transaction looks at; those of a conversation come on top, because they go together."""

_ONLY_CONTENTS: Final = (events.OUTPUT, events.ARTIFACT)
# Named rather than those that go: a member that is new, or that a runner brought, may be a text.
_KEPT: Final = (
    "agent", "approval", "before", "budget", "by", "changed", "cost", "cost_limit", "error", "error_code", "exit_code",
    "expires_at", "held", "is_dead", "length", "not_before_at", "queue", "reason", "scope", "sentence", "source",
    "status", "token_limit", "tokens", "tokens_in", "tokens_out", "until", "words", "worker",
)  # fmt: skip
# Of a cancel the reason is whatever somebody wrote; elsewhere it is a code.
_STRIP_EVENTS: Final = """
UPDATE task_events SET data = (
    SELECT coalesce(jsonb_object_agg(key, value), '{}') FROM jsonb_each(data)
    WHERE key = ANY(%(kept)s) AND NOT (key = 'reason' AND kind = %(cancelled)s)
)
WHERE task_id = ANY(%(tasks)s)
"""


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """What one batch has done; `passed` are tasks that somebody holds, or with whose conversation somebody goes on."""

    tasks: int
    files: int
    passed: frozenset[int]

    @property
    def is_last(self) -> bool:
        """Whether nothing was left to look at."""
        return not self.tasks and not self.passed


@transaction.atomic
def prune_some(*, owner_id: int | None, age: timedelta, without: Collection[int] = ()) -> Pruned:
    """Take the contents out of the next tasks of an owner that ended, and were changed last, longer ago than `age`.

    Nobody is waited for: a task that somebody holds is passed by. A conversation goes as a whole or not at all.

    Args:
        owner_id: Whose; None for the tasks of nobody.
        age: At least a day, so nobody's notices, deliveries or answers are still under way.
        without: Tasks that earlier batches passed by.
    """
    found = _next_of(owner_id, age, without)
    held = _hold(_with_conversations(found), age)
    files = _remove_contents(held)
    events.record_each(held, events.PRUNED, data_of=lambda _: {})
    return Pruned(tasks=len(held), files=files, passed=frozenset(found) - {task.pk for task in held})


def _next_of(owner_id: int | None, age: timedelta, without: Collection[int]) -> list[int]:
    due = Task.objects.prunable(age).filter(owner_id=owner_id).exclude(pk__in=list(without))
    return list(due.order_by("finished_at", "pk").values_list("pk", flat=True)[:BATCH])


def _with_conversations(task_ids: list[int]) -> list[int]:
    theirs = Task.objects.filter(pk__in=task_ids, conversation__isnull=False).values("conversation")
    whole = Task.objects.filter(Q(pk__in=task_ids) | Q(conversation__in=theirs), pruned_at__isnull=True)
    return list(whole.values_list("pk", flat=True))


def _hold(task_ids: list[int], age: timedelta) -> list[Task]:
    """Lock those that are still due; of a conversation all that it has, or none."""
    due = rows.without_long_texts(Task.objects.prunable(age)).filter(pk__in=task_ids)
    free = list(due.order_by("pk").select_for_update(no_key=True, skip_locked=True, of=("self",)))
    held = Counter(task.conversation_id for task in free)
    whole = {conversation_id for conversation_id in held if _is_whole(conversation_id, held[conversation_id])}
    return [task for task in free if task.conversation_id in whole]


def _is_whole(conversation_id: int | None, held: int) -> bool:
    # Whoever retries one of its tasks holds that one, and needs the texts of the others.
    if conversation_id is None:
        return True
    return Task.objects.filter(conversation_id=conversation_id, pruned_at__isnull=True).count() == held


def _remove_contents(held: list[Task]) -> int:
    """Returns how many files went."""
    task_ids = [task.pk for task in held]
    TaskEvent.objects.filter(task__in=task_ids, kind__in=_ONLY_CONTENTS).delete()
    with connection.cursor() as cursor:
        cursor.execute(_STRIP_EVENTS, {"kept": list(_KEPT), "cancelled": events.CANCELLED, "tasks": task_ids})
    Approval.objects.filter(task__in=task_ids).exclude(comment="").update(comment="")
    conversations = {task.conversation_id for task in held if task.conversation_id is not None}
    Conversation.objects.filter(pk__in=conversations).exclude(title="").update(title="")
    _empty_rows(task_ids)
    return Artifact.objects.filter(task__in=task_ids).delete()[0]


def _empty_rows(task_ids: list[int]) -> None:
    Task.objects.filter(pk__in=task_ids).update(
        title="",
        prompt="",
        untrusted_text="",
        origin="",
        suspicion=None,
        input=None,
        result=None,
        error_detail="",
        pruned_at=Now(),
    )
