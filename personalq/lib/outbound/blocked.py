"""Telling whoever listens of calls that were refused because they led into a network of ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID

from django.dispatch import Signal

call_blocked = Signal()
"""Sent with `host`, `reason` and `cause`, where the call was refused: often on an event loop. Never path or query."""


@dataclass(frozen=True, kw_only=True)
class Cause:
    """For whom and for what a call is made."""

    owner_id: int | None
    noun: str
    uuid: UUID


_cause: ContextVar[Cause | None] = ContextVar("personalq_outgoing_cause", default=None)


@contextmanager
def calling_for(cause: Cause) -> Iterator[None]:
    """Say for what calls within the block are made."""
    token = _cause.set(cause)
    try:
        yield
    finally:
        _cause.reset(token)


def tell_blocked(*, host: str, reason: str) -> None:
    """Tell of a call that is being refused. Receivers that fail change nothing."""
    call_blocked.send_robust(sender=None, host=host, reason=reason, cause=_cause.get())
