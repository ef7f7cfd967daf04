"""A worker's right to carry out one attempt, and what it reports of it."""

from dataclasses import dataclass
from decimal import Decimal

from tasks.models import Task


class ClaimLost(Exception):  # noqa: N818 - a fact about the claim, not a mistake of the caller
    """The attempt is not the task's current one any more; its worker must stop and write nothing."""


@dataclass(frozen=True)
class Claim:
    """A worker's right to one attempt. The number fences out writers that come late."""

    task_id: int
    attempt: int

    @classmethod
    def of(cls, task: Task) -> "Claim":
        return cls(task_id=task.pk, attempt=task.attempts)


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What an attempt consumed, as far as its runner knows."""

    tokens_in: int | None = None
    tokens_out: int | None = None
    cost: Decimal | None = None
