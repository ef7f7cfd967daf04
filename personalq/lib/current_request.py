"""Which request is being served, for logs, answers and the audit trail: its id, ours alone, and where it came from."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class RequestMark:
    """What is known of a request wherever it leads. Both are empty outside of any request."""

    id: str = ""
    """Ours: one chosen by the client could imitate another request."""
    address: str = ""
    """The client's, as far as trusted proxies tell it."""
    method: str = ""
    path: str = ""
    """Without its query, and cut."""


_NOBODY = RequestMark()
_CURRENT: ContextVar[RequestMark] = ContextVar("personalq_request", default=_NOBODY)


def new_request_id() -> str:
    return uuid.uuid4().hex


def current_request_id() -> str:
    """The id of the request that this code serves, or "" outside of any request."""
    return _CURRENT.get().id


def current_call() -> tuple[str, str]:
    """Method and path of the request that this code serves, both "" outside of any request."""
    mark = _CURRENT.get()
    return mark.method, mark.path


def current_address() -> str:
    """The address from which the request came that this code serves, or "" outside of any request."""
    return _CURRENT.get().address


@contextmanager
def serving(mark: RequestMark) -> Iterator[None]:
    """Make a request current within the block."""
    token = _CURRENT.set(mark)
    try:
        yield
    finally:
        _CURRENT.reset(token)
