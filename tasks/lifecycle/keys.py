"""Concurrency keys: what a task that comes in does about others of its owner with the same key."""

from typing import Final
from uuid import UUID

from accounts.models import User
from personalq.lib.errors import Conflict
from tasks import locks
from tasks.lifecycle import endings
from tasks.models import ConcurrencyPolicy, Task
from tasks.states import UNFINISHED

CANCEL_LIMIT: Final = 200
"""While a transaction with events is open, nobody's later events can be read, so it has to end soon."""


class ConcurrencyKeyTaken(Conflict):
    """A task that gives way to others with its key came while there was one."""

    code = "concurrency_key_taken"
    title = "Another task has this concurrency key."
    advice = "Wait for it or cancel it, then try again."

    def __init__(self, other: UUID) -> None:
        """Take the id of the task that is in the way."""
        super().__init__(f"Task {other} with the same concurrency key has not ended. {self.advice}")


class TooManyToCancel(Conflict):
    """One request would have to cancel more tasks than one transaction should."""

    code = "too_many_to_cancel"
    title = "Too many tasks with this concurrency key have not ended."
    advice = f"At most {CANCEL_LIMIT} can be cancelled by a newer one. Cancel the others by a bulk action first."


def make_way(*, actor: User | None, owner_id: int, key: str, policy: str, coming: int | None = None) -> None:
    """Apply the policy before a task becomes ready; `coming` is its row if it has one already.

    Raises ConcurrencyKeyTaken. Called before any row is locked, because it waits for others that bring the same key.
    """
    if not key:
        return
    locks.hold_concurrency_key(owner_id=owner_id, key=key)
    others = Task.objects.filter(owner_id=owner_id, concurrency_key=key, status__in=UNFINISHED)
    if coming is not None:
        others = others.exclude(pk=coming)
    if policy == ConcurrencyPolicy.DROP_NEWER and (other := others.first()):
        raise ConcurrencyKeyTaken(other.uuid)
    if policy == ConcurrencyPolicy.CANCEL_OLDER:
        if len(others.values_list("pk")[: CANCEL_LIMIT + 1]) > CANCEL_LIMIT:
            raise TooManyToCancel
        for older in others.order_by("id").select_for_update(no_key=True):
            endings.cancel_row(older, actor=actor, reason="A newer task with the same concurrency key came in.")
