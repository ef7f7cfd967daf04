"""Refusing people what belongs to others: the one place where that is noted, for all apps and all ways in."""

import re
from datetime import timedelta
from typing import Any, Final

from accounts.audit.seldom import record_seldom
from accounts.models import User
from accounts.models.audit_event import Outcome
from personalq.lib.current_request import current_call
from personalq.lib.errors import NotYours

KIND: Final = "authz.denied"
NOTED_EVERY: Final = timedelta(minutes=1)
_WORD: Final = re.compile(r"(?<!^)(?=[A-Z])")


def not_yours(actor: User, found: Any, *, owner: User | None = None) -> NotYours:
    """The error to raise when `actor` may not do something with an object; noted once for both and each minute.

    Args:
        actor: Who asked for it.
        found: The object, with `uuid`.
        owner: Whose it is, unless its own `owner` says so.
    """
    method, path = current_call()
    record_seldom(
        KIND,
        Outcome.DENIED,
        within=NOTED_EVERY,
        actor=actor,
        owner=owner or getattr(found, "owner", None),
        about=(noun_of(found), found.uuid),
        method=method,
        path=path,
    )
    return NotYours()


def noun_of(found: Any) -> str:
    """What kind of object a row is, as the audit trail names it: `task`, `bulk_action`, …"""
    return _WORD.sub("_", type(found).__name__).lower()
