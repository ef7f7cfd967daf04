"""Making, changing and deleting budgets, for API, pages and admin alike.

Callers find the objects through `tasks.access` first. A budget that an operator sets for a user is the operators': the
user sees it and cannot change it.
"""

import logging
from decimal import Decimal
from typing import Final, TypedDict, Unpack

from django.db import transaction

from accounts.models import User
from personalq.lib.constraints import conflicts
from personalq.lib.errors import Conflict, FieldError, InvalidInput, NotFound
from tasks import locks, trail
from tasks.models import Agent, Budget

_logger: Final = logging.getLogger(__name__)


class BudgetTaken(Conflict):
    """There is a budget for the same."""

    code = "budget_taken"
    title = "There is a budget like this already."
    advice = "Change that one, or choose another agent or scope."


class Limits(TypedDict, total=False):
    """What a budget limits; None is any number."""

    token_limit: int | None
    cost_limit: Decimal | None


def create(
    *, actor: User, owner: User, agent: Agent | None, scope: str, is_by_operator: bool = False, **limits: Unpack[Limits]
) -> Budget:
    """Limit what an owner's agent, or all of them, may spend; attempts that run keep what they have reserved.

    Raises InvalidInput or ValidationError naming the field, BudgetTaken, or Conflict when the agent vanished.
    """
    budget = Budget(owner=owner, agent=agent, scope=scope, is_by_operator=is_by_operator, **limits)
    gone = Conflict("The agent was deleted at this moment. Choose another agent.")
    with conflicts(taken=BudgetTaken(), gone=gone), transaction.atomic():
        # Whoever reserves at this moment goes first: after this nothing is reserved beyond the new limit.
        locks.hold_spending(owner.pk)
        _save(budget)
        trail.note("made", budget, actor, **_limits(budget))
    _log("created", budget, actor)
    return budget


@transaction.atomic
def change(*, actor: User, budget: Budget, **limits: Unpack[Limits]) -> Budget:
    """Change the limits; what is not given stays. Raises as `create`, and NotFound when it was deleted meanwhile."""
    locks.hold_spending(budget.owner_id)
    current = _lock(budget)
    for name, value in limits.items():
        setattr(current, name, value)
    # Four fifths of another limit are worth another warning.
    current.warned_for = ""
    _save(current)
    trail.note("changed", current, actor, **_limits(current))
    _log("changed", current, actor)
    return current


@transaction.atomic
def delete(*, actor: User, budget: Budget) -> None:
    """Limit no more. What was spent stays counted. Raises NotFound when it is deleted already."""
    current = _lock(budget)
    trail.note("deleted", current, actor, **_limits(current))
    current.delete()
    _log("deleted", budget, actor)


def _limits(budget: Budget) -> dict[str, str | None]:
    """The limits as the audit trail tells them."""
    limits = {"token_limit": budget.token_limit, "cost_limit": budget.cost_limit}
    return {name: None if value is None else str(value) for name, value in limits.items()}


def _lock(budget: Budget) -> Budget:
    current = Budget.objects.select_for_update().filter(pk=budget.pk).first()
    if current is None:
        raise NotFound
    return current


def _save(budget: Budget) -> None:
    if budget.token_limit is None and budget.cost_limit is None:
        message = "Limit tokens, cost or both."
        raise InvalidInput(errors=[FieldError(name, "required", message) for name in ("token_limit", "cost_limit")])
    budget.clean_fields(exclude={"owner", "agent"})
    budget.save()


def _log(deed: str, budget: Budget, actor: User) -> None:
    _logger.info("budget %s was %s by %s", budget.uuid, deed, actor.uuid)
