"""What a personal token may do. Who signed in may do everything that is theirs to do.

A scope is a noun and a deed, such as `tasks:read`. None holds another: who may write may not read by that alone. A
token never reaches more than its user does; a scope only takes away.
"""

from collections.abc import Mapping
from typing import Final, Protocol

from personalq.lib.errors import PermissionDenied
from personalq.lib.view_scopes import ANY

SENTENCES: Final[Mapping[str, str]] = {
    "tasks:read": "See tasks with their output, history and files, conversations, dead letters and bulk actions; "
    "follow them over the socket.",
    "tasks:write": "Give tasks, change, cancel, retry and archive them, one by one and many at once.",
    "tasks:work": "Take tasks of outside workers, report progress and results.",
    "agents:read": "See agents.",
    "agents:write": "Make, change, pause, test and delete agents.",
    "queues:read": "See queues.",
    "queues:write": "Make, change, pause and delete queues.",
    "schedules:read": "See schedules.",
    "schedules:write": "Make, change, pause, run and delete schedules.",
    "approvals:read": "See what waits for approval, with its text.",
    "approvals:write": "Approve and deny in your name.",
    "budgets:read": "See budgets, usage and prices.",
    "budgets:write": "Make, change and delete budgets.",
    "doors:read": "See doors, Telegram bots and links, webhook endpoints, deliveries and the choice of notices.",
    "doors:write": "Make, change, rotate and delete doors, bots and endpoints; deliver again; choose notices.",
    "audit:read": "See what you did and what concerns you in the audit trail.",
    "operator:read": "See the task operator, the stop switch and, for operators, the readiness.",
    "operator:write": "For operators: turn the task operator and the stop switch on and off.",
}
"""Each scope, and what it lets a token do."""

ALL: Final = tuple(SENTENCES)


class ScopeMissing(PermissionDenied):
    """A personal token is used for what it was not made for."""

    code = "scope_missing"
    title = "The token was not made for this."
    advice = "Personal tokens may not do this. Sign in with user name and password, or use the pages."

    @classmethod
    def of(cls, scope: str) -> "ScopeMissing":
        """The refusal that names the scope, for people and, after RFC 6750, for programs."""
        return cls(
            f"It needs the scope {scope}. Make a token that has it on the page Tokens, and use that one.",
            headers={"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'},
        )


class HasScopes(Protocol):
    """Whoever shows a token; None stands for a sign-in."""

    @property
    def scopes(self) -> frozenset[str] | None: ...


def require(identity: HasScopes, scope: str) -> None:
    """Raises ScopeMissing when the identity is that of a personal token without the scope.

    The empty scope is one that no personal token has.
    """
    if identity.scopes is None or scope == ANY or scope in identity.scopes:
        return
    raise ScopeMissing.of(scope) if scope else ScopeMissing
