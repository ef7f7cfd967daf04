"""Watching what an attempt consumes while it runs, and stopping it when its allowance is used up."""

from dataclasses import replace
from decimal import Decimal
from typing import Final

from tasks import lifecycle
from tasks.claims import Claim
from tasks.database_threads import DatabaseThreads
from tasks.preparation import Prepared
from tasks.runners import RunFailed
from tasks.spending.allowance import PriceUnknown
from tasks.spending.budgets import BudgetExhausted, BudgetReserved
from tasks.spending.usage import Usage

NOTED_EVERY: Final = Decimal("0.1")
"""The part by which usage grows before it is written down again."""


class Meter:
    """The usage of one attempt."""

    def __init__(self, *, prepared: Prepared, claim: Claim, database: DatabaseThreads) -> None:
        """Take what the attempt may spend."""
        self._prepared = prepared
        self._wanted = prepared.wanted
        self._allowance = prepared.allowance
        self._claim = claim
        self._database = database
        self._noted: Usage | None = None
        self.last: Usage | None = None

    async def take(self, usage: Usage) -> None:
        """Keep the latest figures; raises RunFailed `budget_exhausted` when no budget allows them any more."""
        self.last = self._prepared.priced(usage)
        if self._is_worth_noting(self.last):
            self._noted = self.last
            await self._database.persist(lifecycle.note_usage, claim=self._claim, usage=self.last)
        if self._allowance.is_used_up_by(self.last):
            await self._reserve_more(self.last)

    def final(self, usage: Usage | None) -> Usage | None:
        """What the attempt consumed in the end, as far as anybody knows."""
        return self.last if usage is None else self._prepared.priced(usage)

    async def _reserve_more(self, usage: Usage) -> None:
        """Mend a reservation that was too small because the input was more than estimated."""
        tokens_in = usage.tokens_in or 0
        if tokens_in > self._wanted.tokens_in:
            self._wanted = replace(self._wanted, tokens_in=tokens_in)
            try:
                self._allowance = await self._database.persist(
                    lifecycle.reserve, claim=self._claim, wanted=self._wanted
                )
            except (BudgetExhausted, BudgetReserved, PriceUnknown):
                raise RunFailed("budget_exhausted", usage=usage) from None
        if self._allowance.is_used_up_by(usage):
            raise RunFailed("budget_exhausted", usage=usage)

    def _is_worth_noting(self, usage: Usage) -> bool:
        if self._noted is None:
            return True
        return _has_grown(self._noted.tokens, usage.tokens) or _has_grown(self._noted.cost, usage.cost)


def _has_grown(before: Decimal | int | None, now: Decimal | int | None) -> bool:
    least = before or 0
    return (now or 0) - least > least * NOTED_EVERY
