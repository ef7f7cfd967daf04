"""How long the contents of finished tasks are kept, and removing them when that is over (docs/operations.md)."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.db.models import Count

from accounts.models import User
from tasks import lifecycle, trail
from tasks.models import Artifact, Task

FEWEST_DAYS: Final = 1
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Removal:
    """How many tasks of one owner, None for nobody's, lost or would lose their contents; `files` are artifacts."""

    owner: User | None
    tasks: int
    files: int


def prune(days: int | None = None) -> list[Removal]:
    """Remove contents that are older than so many days, by default PERSONALQ_TASK_DAYS: nothing when that is 0.

    Owner by owner, in small transactions, each owner's sum in the audit trail. Safe to stop and to run twice at once.
    Raises ValueError for fewer days than `FEWEST_DAYS`.
    """
    kept = _days(days)
    if not kept:
        return []
    removed = [_prune_for(owner, kept) for owner in _owners(timedelta(days=kept))]
    return [one for one in removed if one.tasks]


def count(days: int | None = None) -> list[Removal]:
    """What `prune` would remove now. Changes nothing; raises as `prune`."""
    kept = _days(days)
    if not kept:
        return []
    age = timedelta(days=kept)
    due = Task.objects.prunable(age).order_by()
    tasks = dict(due.values_list("owner").annotate(Count("pk")))
    files = dict(Artifact.objects.filter(task__in=due).order_by().values_list("task__owner").annotate(Count("pk")))
    return [
        Removal(owner=owner, tasks=tasks.get(_key(owner), 0), files=files.get(_key(owner), 0)) for owner in _owners(age)
    ]


def _days(days: int | None) -> int:
    kept: int = settings.PERSONALQ_TASK_DAYS if days is None else days
    if kept < FEWEST_DAYS and (days is not None or kept):
        raise ValueError(f"The contents of tasks are kept for at least {FEWEST_DAYS} day.")
    return kept


def _owners(age: timedelta) -> list[User | None]:
    found = set(Task.objects.prunable(age).order_by().values_list("owner", flat=True).distinct())
    users: list[User | None] = list(User.objects.filter(pk__in=found - {None}).order_by("pk"))
    return users + [None] * (None in found)


def _prune_for(owner: User | None, days: int) -> Removal:
    tasks = files = 0
    try:
        for batch in _batches(owner, timedelta(days=days)):
            tasks += batch.tasks
            files += batch.files
    finally:
        # Also when it breaks off: what earlier batches removed is gone.
        if tasks:
            trail.note_pruned(owner, tasks=tasks, files=files, days=days)
            _logger.info("Contents of %d tasks and %d files removed, older than %d days.", tasks, files, days)
    return Removal(owner=owner, tasks=tasks, files=files)


def _batches(owner: User | None, age: timedelta) -> Iterator[lifecycle.Pruned]:
    passed: frozenset[int] = frozenset()
    while not (batch := lifecycle.prune_some(owner_id=_key(owner), age=age, without=passed)).is_last:
        passed |= batch.passed
        yield batch


def _key(owner: User | None) -> int | None:
    return None if owner is None else owner.pk
