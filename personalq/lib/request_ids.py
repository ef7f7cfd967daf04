"""The id of the request being served: in answers, in logs and nowhere chosen by the client."""

import uuid
from contextvars import ContextVar

_CURRENT: ContextVar[str] = ContextVar("personalq_request_id", default="")


def new_request_id() -> str:
    return uuid.uuid4().hex


def current_request_id() -> str:
    """The id of the request that this code serves, or "" outside of any request."""
    return _CURRENT.get()


def use_request_id(request_id: str) -> None:
    """Make ``request_id`` current for the rest of this context."""
    _CURRENT.set(request_id)
