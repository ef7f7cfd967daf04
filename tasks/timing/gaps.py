"""Which of several due times fire, and which are missed."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from tasks.timing.rules import Rule, count, last_where, latest, next_after

GRACE: Final = timedelta(seconds=60)
"""How much later than due still counts as on time."""
MOST_MADE_UP: Final = 1_000
"""How many times are made up for after one gap: the newest ones."""
MOST_COUNTED: Final = 100_000
"""Missed times are counted up to here."""
_INSTANT: Final = timedelta(microseconds=1)


class Policy(StrEnum):
    """What happens to times that went by while nothing could fire."""

    NONE = "none"
    LAST = "last"
    ALL = "all"


@dataclass(frozen=True, kw_only=True)
class Missed:
    """Times that do not fire; `count` stops at `MOST_COUNTED`."""

    first: datetime
    last: datetime
    count: int


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What becomes of all times that are due now: the earlier part is missed, the rest fires in order."""

    missed: Missed | None
    fires_from: datetime | None
    """The first one that fires; None when none does."""
    newest: datetime
    """The last one that is due now."""


def decide(rule: Rule, *, due_at: datetime, now: datetime, policy: str, window: timedelta) -> Decision:
    """Decide about the times from `due_at`, which is the first one, up to now.

    The newest one fires if it is on time. The policy decides about the others, as far as they lie within the window.
    """
    newest = latest(rule, due_at, now)
    fires_from = _newest_alone(newest, now, policy, window)
    if policy == Policy.ALL and now - newest <= window:
        oldest = next_after(rule, max(due_at, now - window) - _INSTANT) or newest
        fires_from = _first_of_newest(rule, oldest, newest)
    return Decision(missed=_missed(rule, due_at, fires_from, newest), fires_from=fires_from, newest=newest)


def _newest_alone(newest: datetime, now: datetime, policy: str, window: timedelta) -> datetime | None:
    """The newest time if that one fires."""
    is_made_up_for = policy != Policy.NONE and now - newest <= window
    return newest if is_made_up_for or now - newest <= GRACE else None


def _first_of_newest(rule: Rule, first: datetime, newest: datetime) -> datetime:
    """The first one of the newest `MOST_MADE_UP`."""
    if count(rule, first, newest, MOST_MADE_UP + 1) <= MOST_MADE_UP:
        return first
    return last_where(rule, first, newest, lambda time: count(rule, time, newest, MOST_MADE_UP) == MOST_MADE_UP)


def _missed(rule: Rule, due_at: datetime, fires_from: datetime | None, newest: datetime) -> Missed | None:
    if fires_from == due_at:
        return None
    last = newest if fires_from is None else latest(rule, due_at, fires_from - _INSTANT)
    return Missed(first=due_at, last=last, count=count(rule, due_at, last, MOST_COUNTED))
