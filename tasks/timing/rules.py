"""Intervals and single times, and what can be asked about any timing."""

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from typing import Final, Protocol

_INSTANT: Final = timedelta(microseconds=1)
_SECOND: Final = timedelta(seconds=1)


class Rule(Hashable, Protocol):
    """When something is due. Equal rules are due at the same times, so what was calculated may be remembered."""

    def times(self, after: datetime) -> Iterator[datetime]:
        """When it is due after a moment, in order, in UTC."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """Due at `starts_at` and every so many seconds later. Counted from there, so that lateness never adds up."""

    every_seconds: int
    starts_at: datetime

    def times(self, after: datetime) -> Iterator[datetime]:
        """When it is due after a moment, in order."""
        every = timedelta(seconds=self.every_seconds)
        number = max(0, (after - self.starts_at) // every + 1)
        try:
            time = self.starts_at.astimezone(UTC) + number * every
            while True:
                yield time
                time += every
        except OverflowError:
            return

    def count(self, first: datetime, last: datetime) -> int:
        """How many times it is due from `first` to `last`, both of which are such times."""
        return (last - first) // timedelta(seconds=self.every_seconds) + 1


@dataclass(frozen=True, kw_only=True)
class Once:
    """Due at one time."""

    starts_at: datetime

    def times(self, after: datetime) -> Iterator[datetime]:
        """That time, if it comes after the moment."""
        if self.starts_at > after:
            yield self.starts_at.astimezone(UTC)


def next_after(rule: Rule, moment: datetime) -> datetime | None:
    """When it is due next; None when never again."""
    return next(rule.times(moment), None)


def between(rule: Rule, after: datetime, up_to: datetime, limit: int) -> list[datetime]:
    """The first `limit` times after a moment and not later than another one."""
    return list(islice(takewhile(lambda time: time <= up_to, rule.times(after)), limit))


def count(rule: Rule, first: datetime, last: datetime, limit: int) -> int:
    """How many times it is due from `first` to `last`, both of which are such times; never more than `limit`."""
    if isinstance(rule, Interval):
        return min(rule.count(first, last), limit)
    times = takewhile(lambda time: time <= last, rule.times(first - _INSTANT))
    return sum(1 for _ in islice(times, limit))


def latest(rule: Rule, first: datetime, up_to: datetime) -> datetime:
    """The latest time up to a moment; `first` is one of the times before it."""
    return last_where(rule, first, up_to, lambda _: True)


def last_where(rule: Rule, first: datetime, up_to: datetime, holds: Callable[[datetime], bool]) -> datetime:
    """The latest time up to a moment for which something holds that holds for `first` and for none after it failed."""
    low, high = first, up_to
    while high - low > _SECOND:
        time = next_after(rule, low + (high - low) / 2)
        if time is not None and time <= up_to and holds(time):
            low = time
        else:
            high = low + (high - low) / 2
    for time in takewhile(lambda time: time <= up_to and holds(time), rule.times(low)):
        low = time
    return low
