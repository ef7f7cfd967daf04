"""The id of the request being served: in answers, in logs and nowhere chosen by the client."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_CURRENT: ContextVar[str] = ContextVar("personalq_request_id", default="")


def new_request_id() -> str:
    return uuid.uuid4().hex


def current_request_id() -> str:
    """The id of the request that this code serves, or "" outside of any request."""
    return _CURRENT.get()


@contextmanager
def using_request_id(request_id: str) -> Iterator[None]:
    """Make ``request_id`` current within the block."""
    token = _CURRENT.set(request_id)
    try:
        yield
    finally:
        _CURRENT.reset(token)
